// The table that a run prints: each figure beside its baseline, their ratio, and the goal it is held to.
import type { Dispatch } from './measures/dispatch.ts';
import type { Download } from './measures/download.ts';
import type { Llama } from './measures/llama.ts';
import type { LocalApiFigures } from './measures/local-api.ts';
import type { SideBySide } from './measures/side-by-side.ts';
import type { Warm } from './measures/warm.ts';
import { round } from './stats.ts';

export type Figures = {
  startToHelloMs: number;
  idleRssMb: number | undefined;
  dispatch: Dispatch;
  sideBySide?: SideBySide;
};

export type Row = {
  figure: string;
  worker: number | undefined;
  bare: number | undefined;
  goal?: string;
  met?: boolean;
};

export function workerRows(worker: Figures, bare: Figures): Row[] {
  const under = (figure: string, value: number | undefined, baseline: number | undefined, most: number): Row => ({
    figure,
    worker: value,
    bare: baseline,
    goal: `≤ ${most}`,
    ...(value === undefined ? {} : { met: value <= most }),
  });
  return [
    {
      figure: 'offer→accept p50, ms',
      worker: worker.dispatch.offerToAcceptMs.p50,
      bare: bare.dispatch.offerToAcceptMs.p50,
    },
    under('offer→done p50, ms', worker.dispatch.offerToDoneMs.p50, bare.dispatch.offerToDoneMs.p50, 3),
    under('offer→done p99, ms', worker.dispatch.offerToDoneMs.p99, bare.dispatch.offerToDoneMs.p99, 15),
    { figure: 'jobs/s, 1 in flight', worker: worker.dispatch.jobsPerSecondAt1, bare: bare.dispatch.jobsPerSecondAt1 },
    { figure: 'jobs/s, 8 in flight', worker: worker.dispatch.jobsPerSecondAt8, bare: bare.dispatch.jobsPerSecondAt8 },
    under('five 300 ms jobs / slowest', worker.sideBySide?.ratio, undefined, 1.3),
    under('start→hello, ms', worker.startToHelloMs, bare.startToHelloMs, 500),
    under('idle RSS, MB', worker.idleRssMb, bare.idleRssMb, 120),
  ];
}

/** The baseline of these is curl, not the bare worker. */
export function downloadRows(download: Download): Row[] {
  const { storeMbPerSecond, curlMbPerSecond, curlAndShaMbPerSecond, rssGrowthMib, fetchedTwiceMib } = download;
  const fast = curlMbPerSecond === undefined ? {} : { met: storeMbPerSecond >= 0.9 * curlMbPerSecond };
  return [
    {
      figure: 'download (bare: curl), MB/s',
      worker: storeMbPerSecond,
      bare: curlMbPerSecond,
      goal: 'ratio ≥ 0.9',
      ...fast,
    },
    // What the store does is more than what curl does: it ends with a file whose digest is known.
    { figure: 'download (bare: curl + sha256sum), MB/s', worker: storeMbPerSecond, bare: curlAndShaMbPerSecond },
    {
      figure: 'download, RSS growth MiB',
      worker: rssGrowthMib,
      bare: undefined,
      goal: '≤ 32',
      met: rssGrowthMib <= 32,
    },
    {
      figure: 'download, twice after a cut MiB',
      worker: fetchedTwiceMib,
      bare: undefined,
      goal: '≤ 1',
      met: fetchedTwiceMib <= 1,
    },
  ];
}

/** The baseline is node-llama-cpp called directly, in this process. */
export function llamaRows(llama: Llama): Row[] {
  return [
    {
      figure: 'tokens/s (bare: called directly)',
      worker: llama.pooledTokensPerSecond,
      bare: llama.directTokensPerSecond,
      goal: 'ratio ≥ 0.95',
      met: llama.ratio >= 0.95,
    },
    {
      figure: 'first token, ms',
      worker: llama.pooledFirstTokenMs,
      bare: llama.directFirstTokenMs,
      goal: 'overhead ≤ 10',
      met: llama.firstTokenOverheadMs <= 10,
    },
  ];
}

/** The baseline is node-llama-cpp called directly, in this process. */
export function localApiRows(api: LocalApiFigures): Row[] {
  return [
    { figure: 'API: chats of 1 token/s', worker: api.chatsPerSecond, bare: api.directPerSecond },
    { figure: 'API: chat of 1 token p99, ms', worker: api.chatP99Ms, bare: api.directP99Ms },
    { figure: 'API: added to a streamed token, ms', worker: api.sseOverheadMs, bare: undefined },
    {
      figure: 'API: healthz p99, all pools busy, ms',
      worker: api.healthzBusyP99Ms,
      bare: undefined,
      goal: '≤ 5',
      met: api.healthzBusyP99Ms <= 5,
    },
  ];
}

/** The baseline is the first job, which also loads the model. */
export function warmRows(engines: readonly Warm[]): Row[] {
  return engines.map(({ engine, coldMs, warmMs, processesAfterUnload }) => ({
    figure: `${engine}, warm job (bare: cold), ms`,
    worker: warmMs,
    bare: coldMs,
    goal: 'nothing left after unload',
    met: processesAfterUnload === 0,
  }));
}

export function printTable(rows: readonly Row[]): void {
  const cells = rows.map(({ figure, worker, bare, goal, met }) => [
    figure,
    worker === undefined ? '–' : String(worker),
    bare === undefined ? '–' : String(bare),
    worker === undefined || bare === undefined || bare === 0 ? '–' : String(round(worker / bare)),
    goal === undefined ? '' : `${goal}${met === false ? '  MISSED' : ''}`,
  ]);
  const table = [['figure', 'worker', 'bare', 'ratio', 'goal'], ...cells];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => (row[column] ?? '').length)));
  for (const row of table)
    console.log(
      row
        .map((cell, column) => cell.padEnd(widths[column] ?? 0))
        .join('  ')
        .trimEnd(),
    );
}
