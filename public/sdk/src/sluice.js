// The SDK. Its documentation is in ../sluice.d.ts. go generate ./public makes ../sluice.js of this source.
export { connect } from "./connect.js";
export { parser } from "./parser.js";
