// The dashboard: users, accounts, tokens, revocations and backups, and what allows what was refused.
import assert from "node:assert/strict";
import { test } from "node:test";
import { admin, copied, goTo, key, live, publish, publishOnly, setUp, signIn, visit } from "./dashboard.mjs";
import { poll } from "./gateway.mjs";

const gateway = setUp();

const call = (method, path, body, headers = { "x-apikey": admin }) =>
  fetch(gateway.url(path), { method, body: body && JSON.stringify(body), headers: { ...headers, "content-type": "application/json" } });
const basic = (user, password) => ({ Authorization: `Basic ${Buffer.from(`${user}:${password}`).toString("base64")}` });
const bearer = token => ({ Authorization: `Bearer ${token}` });
const item = (page, id, text) => page.locator(`#${id} > li`).filter({ hasText: text });
const focused = page => page.evaluate(() => document.activeElement.getAttribute("aria-label") ?? document.activeElement.id);

async function open(t, title, credential = admin) {
  const page = await visit(t, credential, { provoked: true });
  await goTo(page, title);
  return page;
}

test("a user is made, signs in, is changed and removed", async t => {
  const page = await open(t, "Users");
  const form = page.getByRole("dialog");
  const login = async password => (await call("POST", "/auth/login", { email: "ann@example.org", password }, {})).status;
  await page.getByRole("button", { name: "New user" }).click();
  await form.getByLabel("Email").fill("Ann@example.org");
  await form.getByLabel("Password").fill("correct horse");
  await form.getByText("This user may do nothing").waitFor();
  await form.getByRole("button", { name: "Create" }).click();
  await page.getByText("ann@example.org was created").waitFor();
  const ann = item(page, "users-list", "ann@example.org");
  await ann.getByText("This user may do nothing").waitFor();
  assert.equal(await login("correct horse"), 200);
  assert.equal(await focused(page), "Change ann@example.org");

  await page.getByRole("button", { name: "New user" }).click();
  await form.getByLabel("Email").fill("ann@example.org");
  await form.getByLabel("Password").fill("correct horse");
  await form.getByRole("button", { name: "Create" }).click();
  await form.getByText("PATCH /admin/users/EMAIL").waitFor();
  await page.keyboard.press("Escape");

  // Somebody else changes the user while the form is open.
  await ann.getByRole("button", { name: "Change" }).click();
  await call("PATCH", "/admin/users/ann@example.org", { rest: ["GET:other"] });
  await form.getByLabel("Subscribe: other patterns").fill("*:customer");
  await form.getByText("This user may do nothing").waitFor({ state: "hidden" });
  await form.getByLabel("Documents").fill("GET:customer");
  await form.getByLabel("New password").fill("a new password");
  await form.getByRole("button", { name: "Save" }).click();
  const both = page.getByRole("dialog", { name: "ann@example.org has changed" });
  await both.getByText("GET:other").waitFor();
  await both.getByRole("row", { name: /^Documents/ }).getByRole("radio").first().check();
  await both.getByRole("button", { name: "Save this" }).click();
  await page.getByText("ann@example.org was saved").waitFor();
  const now = await (await call("GET", "/admin/users/ann@example.org")).json();
  assert.deepEqual([now.sub, now.rest], [["*:customer"], ["GET:customer"]]);
  assert.equal(await login("correct horse"), 401);
  assert.equal(await login("a new password"), 200);

  // A pattern that the gateway refuses is named as the form names its field.
  await ann.getByRole("button", { name: "Change" }).click();
  const documents = form.getByLabel("Documents");
  const before = await documents.inputValue();
  await documents.fill("customer");
  await form.getByRole("button", { name: "Save" }).click();
  await form.getByRole("alert").filter({ hasText: 'in Documents, "customer"' }).waitFor();
  assert.equal(await documents.getAttribute("aria-invalid"), "true");
  await documents.fill(before);
  assert.equal(await documents.getAttribute("aria-invalid"), null);
  await form.getByRole("button", { name: "Cancel" }).click();

  await ann.getByRole("button", { name: "Change" }).click();
  await form.getByLabel("May sign in").uncheck();
  await form.getByRole("button", { name: "Save" }).click();
  await ann.getByText("may not sign in").waitFor();
  assert.equal(await login("a new password"), 401);

  await call("POST", "/admin/users", { email: "bob@example.org", password: "correct horse" });
  await page.getByLabel("Filter users").fill("ANN@");
  await page.getByText("1 of 2 match").waitFor();
  await ann.getByRole("button", { name: "Remove" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Remove" }).click();
  await page.getByText("ann@example.org was removed").waitFor();
  assert.equal((await call("GET", "/admin/users/ann@example.org")).status, 404);
});

test("an account gets databases and roles, is deactivated and deleted", async t => {
  const page = await open(t, "Accounts");
  const form = page.getByRole("dialog");
  const as = async (method, path) => (await call(method, path, undefined, basic("eve@example.org", "correct horse"))).status;
  await call("PUT", "/db/bank", undefined, basic("root", admin));
  await page.getByRole("button", { name: "New account" }).click();
  await form.getByLabel("User name").fill("eve@example.org");
  await form.getByLabel("Password").fill("correct horse");
  await form.getByRole("button", { name: "Create" }).click();
  const eve = item(page, "accounts-list", "eve@example.org");
  await eve.waitFor();

  await eve.getByRole("button", { name: "Databases" }).click();
  await form.getByText("This account has no database").waitFor();
  await form.getByLabel("Database").fill("nowhere");
  await form.getByRole("button", { name: "Grant" }).click();
  await form.locator(".answer.bad").filter({ hasText: "There is no database nowhere. Make it with PUT /db/nowhere, or choose one of the list." }).waitFor();
  await form.getByLabel("Database").fill("bank");
  await form.getByLabel("Role", { exact: true }).selectOption("member");
  await form.getByRole("button", { name: "Grant" }).click();
  await form.getByText("eve@example.org is member of bank.").waitFor();
  assert.equal(await as("PUT", "/db/bank/ns/x"), 403);
  await form.getByLabel("Role in bank").selectOption("admin");
  await form.getByText("eve@example.org is admin of bank.").waitFor();
  assert.equal(await as("PUT", "/db/bank/ns/x"), 204);
  await form.getByRole("button", { name: "Take away bank" }).click();
  await form.getByText("eve@example.org has lost bank.").waitFor();
  assert.equal(await as("PUT", "/db/bank/ns/y"), 403);
  await form.getByRole("button", { name: "Done" }).click();
  assert.equal(await focused(page), "Databases eve@example.org");

  await eve.getByRole("button", { name: "Deactivate" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Deactivate" }).click();
  await eve.getByText("is deactivated").waitFor();
  assert.equal(await as("GET", "/db"), 401);
  await eve.getByRole("button", { name: "Activate" }).click();
  await page.getByText("eve@example.org is active").waitFor();
  assert.equal(await as("GET", "/db"), 200);
  await page.getByLabel("Filter accounts").fill("nobody");
  await page.getByText("0 of 1 match").waitFor();
  await page.getByLabel("Filter accounts").fill("EVE");
  await eve.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("There is no account yet.").waitFor();
  assert.equal(await as("GET", "/db"), 401);
});

test("a token is narrowed, used by the lines that the page shows, and revoked", async t => {
  const made = await (await call("POST", "/admin/keys", { name: "for tokens", sub: ["goal", "PUT:customer"], pub: ["goal"] })).json();
  const page = await open(t, "Keys");
  await page.getByRole("button", { name: "Make a token of for tokens" }).click();
  await page.getByText(/subscribe to (goal, PUT:customer|PUT:customer, goal); publish to goal; documents: nothing/).waitFor();
  assert.ok(await page.getByLabel("Subscribe custom goal").isChecked());
  await page.getByLabel("Subscribe PUT customer").uncheck();
  await page.getByLabel("Publish custom goal").check();
  await page.getByLabel("Lives for").selectOption("a minute");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = await page.getByLabel("The token", { exact: true }).inputValue();
  assert.equal(await focused(page), "token-title");
  assert.equal((await call("POST", "/realtime", { event: "goal" }, bearer(token))).status, 200);
  assert.equal((await call("GET", "/realtime?channels=PUT:customer&until=caught-up", undefined, bearer(token))).status, 403);
  assert.ok(!(await page.locator("#token-made pre").allTextContents()).some(text => text.includes(token)), "the lines hide the token");

  const line = async title => {
    await page.getByRole("button", { name: `Copy: ${title}` }).click();
    await poll(title, async () => (await copied(page)).includes(token));
    return copied(page);
  };
  assert.equal(await line("Watch with curl"), `curl -N -H 'Authorization: Bearer ${token}' '${gateway.url("/realtime")}?channels=goal'`);
  assert.match(await line("Publish with curl"), /"event":"goal"/);
  const source = await line("In a web page, with EventSource");
  const sdk = await line("In a web page, with the SDK");
  const other = await page.context().newPage();
  await other.goto(gateway.url("/"));
  // What the page shows is run as it is, but for where it prints, and how a function may import.
  const printed = (code, into) => code.replace("console.log(", `(window.${into} ??= []).push(`);
  await other.evaluate(code => new Function(code)(), printed(source, "bySource"));
  await other.evaluate(code => new Function(`(async () => { ${code} })()`)(), printed(sdk, "bySDK").replace(/^import \{ connect \} from (.*);/, "const { connect } = await import($1);"));
  await poll("both to get an event", async () => {
    await call("POST", "/realtime", { event: "goal", data: 7 }, bearer(token));
    return other.evaluate(() => window.bySource?.length && window.bySDK?.length);
  });
  await other.close();

  await page.getByRole("button", { name: "Revoke it" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.locator("#token-made").getByText("Revoked.", { exact: true }).waitFor();
  assert.equal(await page.getByLabel("The token", { exact: true }).count(), 0, "a revoked token does not stay on the page");
  assert.equal(await page.locator("#token-made pre, #token-made button").count(), 0);
  assert.equal((await call("POST", "/realtime", { event: "goal" }, bearer(token))).status, 401);
  const { jti } = JSON.parse(Buffer.from(token.split(".")[1], "base64url"));
  await goTo(page, "Revocations");
  await page.locator("#revocations-rows").getByText(jti).waitFor();

  // A token that is pasted whole names itself; a subject is revoked too.
  const second = (await (await call("POST", `/admin/keys/${made.id}/tokens`, { sub: ["goal"] })).json()).token;
  await page.getByLabel("Which").fill(second);
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.getByText("2 revocations").waitFor();
  assert.equal((await call("POST", "/realtime", { event: "goal" }, bearer(second))).status, 401);
  await page.getByRole("combobox", { name: "Revoke" }).selectOption("all tokens of a subject");
  await page.getByLabel("Which").fill("42");
  await page.getByRole("button", { name: "Revoke" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Revoke" }).click();
  await page.locator("#revocations-rows tr").filter({ hasText: "subject" }).getByText("42").waitFor();
});

test("the holder of a key makes a token of it, and a token makes none", async t => {
  const page = await open(t, "Tokens", key);
  assert.equal(await page.getByRole("link", { name: "Users" }).count(), 0, "the menu has nothing that the key does not open");
  await page.getByText("A token without a channel").waitFor();
  await page.getByRole("button", { name: "Make the token" }).click();
  await page.getByRole("alert").filter({ hasText: "grant nothing" }).waitFor();
  await page.getByLabel("Subscribe: other patterns").fill("chat-*");
  await page.getByRole("button", { name: "Make the token" }).click();
  const token = await page.getByLabel("The token", { exact: true }).inputValue();
  await page.getByRole("button", { name: "Use it in this page" }).click();
  await page.getByText("A token cannot make another one").waitFor();
  assert.equal(await page.getByLabel("The token", { exact: true }).count(), 0);
  assert.equal((await call("HEAD", "/realtime", undefined, bearer(token))).status, 200);
});

test("a backup is made, listed and deleted", async t => {
  const page = await open(t, "Backups");
  await page.getByText("There is no backup").waitFor();
  await page.getByRole("button", { name: "Make a backup" }).click();
  await page.getByText("A backup was made").waitFor();
  const [made] = await (await call("GET", "/admin/backups")).json();
  const row = page.locator("#backups-rows tr").filter({ hasText: made.path });
  await row.getByRole("button", { name: "Copy path" }).click();
  await poll("the path", async () => await copied(page) === made.path);
  await row.getByRole("button", { name: "Delete" }).click();
  await page.getByRole("dialog").getByRole("button", { name: "Delete" }).click();
  await page.getByText("There is no backup").waitFor();
  assert.deepEqual(await (await call("GET", "/admin/backups")).json(), []);
});

test("what is refused names the setting that would allow it", async t => {
  const page = await visit(t, null, { provoked: true });
  await page.route("**/admin/stats", route => route.fulfill({ status: 404, json: { message: "there is no administrator: set ADMIN_KEY", code: "not_found" } }));
  await signIn(page, "not-the-admin-key");
  await page.getByText("it has no administrator: that needs the setting ADMIN_KEY").waitFor();
  await signIn(page, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.x");
  await page.unroute("**/admin/stats");
  await signIn(page, "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiI0MiJ9.x");
  await page.getByText("need JWT_SECRET, JWT_PUBLIC_KEY_FILE or JWT_JWKS_URL").waitFor();
  await signIn(page, publishOnly);
  await page.getByLabel("Event", { exact: true }).fill("not-mine");
  await page.getByRole("button", { name: "Publish" }).click();
  await page.locator("#answer").getByText("REALTIME_GLOBAL=true lets every key use all channels").waitFor();
  await call("GET", "/admin/keys", undefined, { "x-apikey": "a guess" });
  await page.getByRole("button", { name: "Add a key" }).click();
  await signIn(page, admin);
  await live(page, "stats-state");
  await goTo(page, "Audit");
  await page.locator("#audit-rows tr").filter({ hasText: "invalid_admin_key" }).getByText("The admin key is the setting ADMIN_KEY.").first().waitFor();
});

test("the keyboard alone makes a user, changes and removes it, and the focus is never lost", async t => {
  const page = await visit(t, null, { provoked: true, viewport: { width: 390, height: 800 } });
  const press = async (...keys) => {
    for (const name of keys) await page.keyboard.press(name);
  };
  // reach presses Tab until what has the focus has a name, and finds that it can be seen to have it.
  const reach = async (name, back = false) => {
    for (let n = 0; n < 60; n++) {
      await page.keyboard.press(back ? "Shift+Tab" : "Tab");
      const at = await page.evaluate(() => {
        const e = document.activeElement, style = getComputedStyle(e);
        return { name: (e.getAttribute("aria-label") ?? (e.labels?.[0]?.querySelector("span") ?? e).textContent).trim(), body: e === document.body, outlined: style.outlineStyle !== "none" && parseFloat(style.outlineWidth) >= 2 };
      });
      if (at.name !== name) continue;
      assert.ok(at.outlined, `${name} does not show that it has the focus`);
      return;
    }
    assert.fail(`Tab does not reach ${name}`);
  };
  await reach("API key, token or admin key");
  await page.keyboard.type(admin);
  await press("Enter");
  await live(page, "stats-state");
  await reach("Menu Overview", true);
  await press("Enter");
  await press("Escape");
  assert.equal(await focused(page), "menu");
  await press("Enter");
  await reach("Users");
  await press("Enter");
  await page.getByRole("heading", { name: "Users" }).waitFor();
  assert.equal(await focused(page), "main");
  await reach("New user");
  await press("Enter");
  await page.keyboard.type("key@example.org");
  await reach("Password");
  await page.keyboard.type("correct horse");
  await reach("Documents");
  await page.keyboard.type("GET:customer");
  await press("Enter");
  await page.getByText("key@example.org was created").waitFor();
  assert.equal(await focused(page), "Change key@example.org");
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await press("Escape");
  assert.equal(await focused(page), "Change key@example.org");
  await reach("Remove key@example.org");
  await press("Enter");
  await page.getByRole("dialog").waitFor();
  await reach("Remove");
  await press("Enter");
  await page.getByText("key@example.org was removed").waitFor();
  assert.equal(await focused(page), "users-title");
});
