// The SDK. ../sluice.d.ts tells what all of it means; ../sluice.js is made of it.
export { connect } from "./connect.js";
export { parser } from "./parser.js";
