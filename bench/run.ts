// `npm run bench`: measures the worker beside a bare baseline in one run, prints the figures with their goals, and writes
// bench/results.json. Quote medians and ratios: single times say more about the machine than about the program.
import { writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { type Dispatch, measureDispatch } from './measures/dispatch.ts';
import { type Download, measureDownload } from './measures/download.ts';
import { measureIdleRssMb } from './measures/memory.ts';
import { measureSideBySide, type SideBySide } from './measures/side-by-side.ts';
import { type Credentials, openStage, type Stage, type Subject, startBareWorker, startRealWorker } from './stage.ts';
import { median, round } from './stats.ts';

const STARTS = 7;

type Start = (stage: Stage, credentials: Credentials) => Promise<Subject>;
type Figures = { startToHelloMs: number; idleRssMb: number | undefined; dispatch: Dispatch; sideBySide?: SideBySide };

async function measure(stage: Stage, start: Start, withEngines: boolean): Promise<Figures> {
  const credentials = await stage.letIn();
  const starts: number[] = [];
  for (let i = 0; i < STARTS; i += 1) {
    await using subject = await start(stage, credentials);
    starts.push(subject.startToHelloMs);
  }
  await using subject = await start(stage, credentials);
  const idleRssMb = await measureIdleRssMb(subject.pid);
  const dispatch = await measureDispatch(stage);
  const sideBySide = withEngines ? await measureSideBySide(stage) : undefined;
  return {
    startToHelloMs: median(starts),
    idleRssMb,
    dispatch,
    ...(sideBySide === undefined ? {} : { sideBySide }),
  };
}

type Row = { figure: string; worker: number | undefined; bare: number | undefined; goal?: string; met?: boolean };

function rowsOf(worker: Figures, bare: Figures): Row[] {
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
function downloadRows(download: Download): Row[] {
  const { storeMbPerSecond, curlMbPerSecond, rssGrowthMib, fetchedTwiceMib } = download;
  const fast = curlMbPerSecond === undefined ? {} : { met: storeMbPerSecond >= 0.9 * curlMbPerSecond };
  return [
    {
      figure: 'download (bare: curl), MB/s',
      worker: storeMbPerSecond,
      bare: curlMbPerSecond,
      goal: 'ratio ≥ 0.9',
      ...fast,
    },
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

function print(rows: readonly Row[]): void {
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

await using stage = await openStage();
// The baseline first and the worker second, in one run: both meet the same machine on the same day.
const bare = await measure(stage, startBareWorker, false);
const worker = await measure(stage, startRealWorker, true);
const download = await measureDownload();
const rows = [...rowsOf(worker, bare), ...downloadRows(download)];
print(rows);
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGib: round(totalmem() / 1024 ** 3),
  os: `${process.platform} ${release()}`,
  node: process.versions.node,
};
const results = { date: new Date().toISOString(), machine, rows, worker, bare, download };
await writeFile(new URL('./results.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
console.log('\nwritten to bench/results.json');
