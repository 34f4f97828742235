// The SDK. Its documentation is in ../sluice.d.ts. go generate ./public makes ../sluice.js of this
// source. The package has the source itself, so that errors of a program name lines that a person can read.
export { connect } from "./connect.js";
export { parser } from "./parser.js";
