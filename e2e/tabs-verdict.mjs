// What a tab may have seen. Pure: no browser, no clock.

// A tab's clock is the machine's, but rounded; and what is under way when it opens may fall to either side.
const slack = 100; // ms

/**
 * faults of one tab, each a sentence. Of the log, which is there as a whole, it must have each event of its channels once
 * and in order, from where it began: behind the event that it resumed from, or now. A jump is right only with a gap told
 * in its place, and a gap only where the tab came with an id that the log never had.
 * tab: {place: "now" | "resume" | "odd", after, channels, opened, log, told, whole}; of log each entry is {n, at} or {gap, at};
 * after is the n resumed from; whole says that the tab must have all there is by now.
 * events: {n, channel, sent, acked}, in the log's order.
 */
export function faults(tab, events) {
  const mine = events.filter(e => tab.channels.includes(e.channel));
  const index = new Map(mine.map((e, i) => [e.n, i]));
  const found = [];
  let next = null, gaps = 0; // next is the index that must come
  if (tab.place === "resume") next = mine.findIndex(e => e.n > tab.after);
  if (next === -1) next = mine.length;
  const fresh = next === null;

  for (const { n, gap, at } of tab.log) {
    if (gap) {
      gaps++;
      next = null;
      continue;
    }
    const i = index.get(n);
    if (i === undefined) found.push(`event ${n} is not of its channels`);
    else if (next === null) {
      const last = tab.log.findLast(e => e.n !== undefined && e.at < at && index.has(e.n));
      if (last && last.n >= n) found.push(`event ${n} again, behind a gap`);
      if (fresh && mine[i].acked < tab.opened - slack) found.push(`event ${n} from ${Math.round(tab.opened - mine[i].acked)} ms before it opened`);
      next = i + 1;
    } else {
      if (i < next) found.push(`goes back by ${next - i} events to ${n}`);
      if (i > next) found.push(`${i - next} events lost before ${n}, from ${mine[next].n} on`);
      next = i + 1;
    }
  }
  if (tab.place !== "odd" && gaps) found.push(`${gaps} gaps told, though nothing is gone: ${tab.log.filter(e => e.gap).map(e => e.gap)}`);
  if (!tab.whole) return found;

  // By now it has begun, has been told, and has all.
  const began = tab.told.find(([notice]) => notice === "connect")?.[1];
  const from = tab.place === "odd" ? tab.log.find(e => e.gap)?.at : began;
  if (began === undefined) found.push("no connect told");
  if (tab.place === "odd" && gaps === 0) found.push("no gap told, though the log never had its id");
  next ??= mine.findIndex(e => e.sent > from + slack);
  if (next >= 0 && next < mine.length) found.push(`${mine.length - next} events missing at the end, from ${mine[next].n} on`);
  if (fresh && began !== undefined) {
    const first = tab.log.find(e => e.n !== undefined), due = mine.find(e => e.sent > from + slack);
    if (first && due && first.n > due.n) found.push(`begins with ${first.n}, though it was open at ${due.n}`);
  }
  return found;
}
