// The model store beside curl: one large file from a server on this machine, how much memory that takes, and how much is
// fetched twice after the connection broke in the middle.
import { type ChildProcess, fork, spawn } from 'node:child_process';
import { mkdtemp, rm, statfs } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { median, round } from '../stats.ts';

const GIB = 1024 ** 3;
const MIB = 1024 ** 2;
const FILE_BYTES = 2 * GIB;
const ROUNDS = 3;

export type Download = {
  readonly storeMbPerSecond: number;
  /** Which does not look at what it writes, and leaves the flushing to the system. Undefined without curl. */
  readonly curlMbPerSecond: number | undefined;
  /** curl and then sha256sum: what it takes to have a file that is known to be right, as the store's are. */
  readonly curlAndShaMbPerSecond: number | undefined;
  readonly rssGrowthMib: number;
  readonly fetchedTwiceMib: number;
};

type Outcome = { ms: number; rssGrowthBytes: number };

export async function measureDownload(): Promise<Download> {
  const folder = await mkdtemp(join(await parentFolder(), 'bench-download-'));
  const asked: number[] = [];
  const server = fork(fileURLToPath(new URL('../file-server.ts', import.meta.url)));
  try {
    const base = `http://127.0.0.1:${await portOf(server, (from) => asked.push(from))}`;
    const stores: Outcome[] = [];
    const curls: CurlTimes[] = [];
    // In turns, so that both meet the same machine.
    for (let i = 0; i < ROUNDS; i += 1) {
      curls.push(await withCurl(`${base}/${FILE_BYTES}`, folder));
      stores.push(await withStore(base, `/${FILE_BYTES}`, folder));
    }
    asked.length = 0;
    const cutAt = GIB + 12_345;
    await withStore(base, `/${FILE_BYTES}/cut/${cutAt}`, folder);
    const speed = (ms: readonly number[]): number | undefined =>
      ms.some(Number.isNaN) ? undefined : round(FILE_BYTES / 1e6 / (median(ms) / 1000));
    return {
      storeMbPerSecond: speed(stores.map(({ ms }) => ms)) ?? 0,
      curlMbPerSecond: speed(curls.map(({ ms }) => ms)),
      curlAndShaMbPerSecond: speed(curls.map(({ withShaMs }) => withShaMs)),
      rssGrowthMib: round(median(stores.map(({ rssGrowthBytes }) => rssGrowthBytes)) / MIB),
      fetchedTwiceMib: round((cutAt - Math.max(...asked)) / MIB),
    };
  } finally {
    server.disconnect();
    await rm(folder, { recursive: true, force: true });
  }
}

/** Memory where there is enough: the store flushes its file and curl does not, and the disk is not what is measured. */
async function parentFolder(): Promise<string> {
  const free = await statfs('/dev/shm').then(
    ({ bavail, bsize }) => bavail * bsize,
    () => 0,
  );
  return free > 2 * FILE_BYTES ? '/dev/shm' : tmpdir();
}

type Said = { kind: 'listening'; port: number } | { kind: 'asked'; from: number };

async function portOf(server: ChildProcess, asked: (from: number) => void): Promise<number> {
  const { promise, resolve, reject } = Promise.withResolvers<number>();
  server.on('message', (said: Said) => (said.kind === 'listening' ? resolve(said.port) : asked(said.from)));
  server.on('exit', () => reject(new Error('the file server ended')));
  return promise;
}

type CurlTimes = { readonly ms: number; readonly withShaMs: number };

/** In ms; NaN when there is no such program. */
async function withCurl(url: string, folder: string): Promise<CurlTimes> {
  const file = join(folder, 'curl.bin');
  const start = performance.now();
  const curl = await runToEnd('curl', ['-sS', '-o', file, url]);
  const ms = performance.now() - start;
  const sum = await runToEnd('sha256sum', [file]);
  const withShaMs = performance.now() - start;
  await rm(file, { force: true });
  return {
    ms: curl.code === 0 ? ms : Number.NaN,
    withShaMs: curl.code === 0 && sum.code === 0 ? withShaMs : Number.NaN,
  };
}

async function withStore(base: string, path: string, folder: string): Promise<Outcome> {
  const models = join(folder, 'models');
  const child = fileURLToPath(new URL('../download-child.ts', import.meta.url));
  const { output } = await runToEnd(process.execPath, [child, base, path, models]);
  await rm(models, { recursive: true, force: true });
  return JSON.parse(output) as Outcome;
}

async function runToEnd(program: string, args: readonly string[]): Promise<{ code: number | null; output: string }> {
  const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  let output = '';
  child.stdout.setEncoding('utf8').on('data', (text: string) => {
    output += text;
  });
  const { promise, resolve } = Promise.withResolvers<number | null>();
  child.on('error', () => resolve(null));
  child.on('close', resolve);
  return { code: await promise, output };
}
