// call asks the server of the page: with a body by POST, and without one by GET. It returns the JSON of the answer.
export async function call(path, body) {
  const r = await fetch(path, body ? { method: "POST", body: JSON.stringify(body), headers: { "Content-Type": "application/json" } } : { cache: "no-store" });
  const answer = await r.json();
  if (!r.ok) throw Object.assign(Error(answer.message), { status: r.status });
  return answer;
}
