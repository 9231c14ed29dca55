// `npm run bench`: measures the worker beside a bare baseline in one run, prints the figures with their goals, and writes
// bench/results.json. Quote medians and ratios: single times say more about the machine than about the program.
import { writeFile } from 'node:fs/promises';
import { cpus, release, totalmem } from 'node:os';
import { measureDispatch } from './measures/dispatch.ts';
import { measureDownload } from './measures/download.ts';
import { measureLlama } from './measures/llama.ts';
import { measureLocalApi } from './measures/local-api.ts';
import { measureIdleRssMb } from './measures/memory.ts';
import { measureSideBySide } from './measures/side-by-side.ts';
import { measureWarm } from './measures/warm.ts';
import { downloadRows, type Figures, llamaRows, localApiRows, printTable, warmRows, workerRows } from './rows.ts';
import { type Credentials, openStage, type Stage, type Subject, startBareWorker, startRealWorker } from './stage.ts';
import { median, round } from './stats.ts';

const STARTS = 7;

type Start = (stage: Stage, credentials: Credentials) => Promise<Subject>;

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

await using stage = await openStage();
// The baseline first and the worker second, in one run: both meet the same machine on the same day.
const bare = await measure(stage, startBareWorker, false);
const worker = await measure(stage, startRealWorker, true);
const download = await measureDownload();
const llama = await measureLlama();
const warm = await measureWarm();
const localApi = await measureLocalApi();
const rows = [
  ...[...workerRows(worker, bare), ...downloadRows(download), ...llamaRows(llama), ...warmRows(warm)],
  ...localApiRows(localApi),
];
printTable(rows);
const machine = {
  cpu: cpus()[0]?.model ?? 'unknown',
  cores: cpus().length,
  memoryGib: round(totalmem() / 1024 ** 3),
  os: `${process.platform} ${release()}`,
  node: process.versions.node,
};
const results = { date: new Date().toISOString(), machine, rows, worker, bare, download, llama, warm, localApi };
await writeFile(new URL('./results.json', import.meta.url), `${JSON.stringify(results, null, 2)}\n`);
console.log('\nwritten to bench/results.json');
