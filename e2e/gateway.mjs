// The gateway that tests use: one process, or a cluster behind a balancer (make e2e-cluster).
import { Cluster, size } from "./cluster.mjs";
import { Process } from "./process.mjs";

export { poll } from "./process.mjs";
export const Gateway = process.env.E2E_CLUSTER ? Cluster : Process;

// gateways is the number of gateways. What counts at each of them counts that often.
export const gateways = process.env.E2E_CLUSTER ? size : 1;
