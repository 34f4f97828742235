// Tests that a cluster does not run, because they are about what each gateway has of its own (docs/cluster.md).
export const perGateway = [
];
