// What a tab may have seen. Pure: no browser, no clock of its own.

// Browsers round their clocks, and what is under way when a tab opens may fall to either side.
const slack = 100; // ms

/**
 * faults of a tab, a sentence each. The gateway's log is there as a whole. So a tab must have each event of its channels
 * once and in order, from where it began: behind the event that it resumed from, or now. It may jump only where it was
 * given a gap, and is given one only if it came with an id that the log never had.
 *
 * tab: place ("now", "resume", "odd"), after (the n to resume behind), channels, opened (when), log (of {n, at} for an
 * event and {gap, at} for a gap), told (of [notice, at, text, the log's length then, since when
 * the notice may have waited in a tab that hung]), whole (by now it must have everything).
 * events: {n, channel, sent, acked}, in the log's order.
 */
export function faults(tab, events) {
  const mine = events.filter(e => tab.channels.includes(e.channel));
  const { found, next } = inOrder(tab, mine);
  const gaps = tab.log.filter(e => e.gap).map(e => e.gap);
  if (tab.place !== "odd" && gaps[0]) found.push(`${gaps.length} gaps told, though nothing is gone: ${gaps}`);
  if (tab.whole) found.push(...whole(tab, mine, next));
  found.push(...lives(tab, mine));
  return found;
}

// lives: behind each connect comes one live, and behind what was there when that attempt began: a tab that hangs
// reports it late, and what came since then may still wait behind the live.
function lives({ told, log, place, after, opened, whole }, mine) {
  const found = [], begin = place === "resume" ? after : log.find(e => e.n !== undefined)?.n;
  let open = false, since = opened;
  for (const [notice, , , have, began] of told) {
    if (notice === "connect") open = true;
    if (notice === "disconnect" || notice === "reconnect") {
      open = false;
      since = began;
    }
    if (notice !== "live") continue;
    if (!open) found.push("live told twice, or without a connect");
    const missed = mine.findLast(e => e.acked < since - slack)?.n, last = log.slice(0, have).findLast(e => e.n !== undefined)?.n ?? -1;
    if (missed > Math.max(last, begin - 1)) found.push(`live told before ${missed}, which was missed`);
    open = false;
  }
  if (whole && open) found.push("no live told behind the last connect");
  return found;
}

// inOrder follows the log; next is the index of the event that must come after it, where that is certain.
function inOrder(tab, mine) {
  const index = new Map(mine.map((e, i) => [e.n, i])), found = [];
  let next, last = -1;
  if (tab.place === "resume") next = from(mine, e => e.n > tab.after);
  for (const { n, gap } of tab.log) {
    const i = index.get(n);
    if (gap) next = undefined;
    else if (i === undefined) found.push(`event ${n} is not of its channels`);
    else {
      const due = next ?? Math.max(i, last + 1); // behind a gap, and at the beginning, it may go on further ahead
      if (i < due) found.push(`goes back by ${due - i} events to ${n}`);
      if (i > due) found.push(`${i - due} events lost before ${n}, from ${mine[due].n} on`);
      if (last < 0 && tab.place !== "resume" && mine[i].acked < tab.opened - slack)
        found.push(`event ${n} from ${tab.opened - mine[i].acked} ms before it opened`);
      next = i + 1;
      last = Math.max(last, i);
    }
  }
  return { found, next };
}

// whole is what a tab lacks that had time enough.
function whole(tab, mine, next) {
  const found = [], gap = tab.log.findLast(e => e.gap), first = tab.log.find(e => e.n !== undefined);
  const open = tab.told.find(([notice]) => notice === "connect")?.[1];
  if (open === undefined) return ["no connect told"];
  if (tab.place === "odd" && !gap) return ["no gap told, though the log never had its id"];
  const due = from(mine, e => e.sent > (gap?.at ?? open) + slack);
  if (tab.place === "now" && first && mine[due] && first.n > mine[due].n) found.push(`begins with ${first.n}, though it was open at ${mine[due].n}`);
  next ??= due;
  if (next < mine.length) found.push(`${mine.length - next} events missing at the end, from ${mine[next].n} on`);
  return found;
}

function from(list, f) {
  const i = list.findIndex(f);
  return i < 0 ? list.length : i;
}
