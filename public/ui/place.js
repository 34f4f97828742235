// The address of a page of data: #stored/KIND/NAME/…. Each part is encoded, so that a name may have any character.
export const hrefOf = (...parts) => `#stored/${parts.map(encodeURIComponent).join("/")}`;

export const open = (...parts) => {
  location.hash = hrefOf(...parts);
};

// partsOf are the parts of the present address.
export function partsOf() {
  const [first, ...rest] = location.hash.slice(1).split("/");
  if (first !== "stored") return [];
  try {
    return rest.map(decodeURIComponent);
  } catch {
    return []; // somebody has typed a % that means nothing
  }
}
