// Tests that a cluster does not run, because they are about what each gateway has of its own (docs/cluster.md).
export const perGateway = [
  {
    name: "a key whose answer was lost is shown when the form is sent again",
    reason: "the log has only a hash of the key: the gateway that made it can show it again, and another one answers already_created",
  },
  {
    name: "a log that begins anew is told to each tab",
    reason: "a log in memory is lost with its process, and a cluster has none: DATA_DIR must be a folder",
  },
];
