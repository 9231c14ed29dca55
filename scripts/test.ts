// `npm test`: runs every test under tests/ (or the files named on the command line) with Node's own runner. A run of
// everything measures line coverage of the parts that ship and fails below 90 %. Ends with one line of totals, since
// the coverage table would otherwise push the runner's own out of sight.
//
// `--again` (what CI says): files with a failure are run once more, one at a time, and named. Most tests drive real
// processes, and on a machine that is busy with something else one of thousands may wait longer than it should. Whatever
// fails again has failed; whatever passes then wants to be mended.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COVERED = 'src/{protocol,workers,supervisor,engines}/**/*.ts';
const LINES_MIN = 90;

/** A test that waits for what never comes must fail, not hold the run up for ever. In ms. */
const TEST_MS_MAX = 300_000;

/** With more files than this, something is broken, not busy. */
const AGAIN_FILES_MAX = 5;

/** The tests mostly wait for real processes; three at a time keep two cores busy without starving any of them. */
const CONCURRENCY = 3;

type Run = { code: number; passed: number; failed: number; skipped: number; failedFiles: string[] };

const again = process.argv.includes('--again');
const named = process.argv.slice(2).filter((argument) => argument !== '--again');
const coverage = [
  '--experimental-test-coverage',
  `--test-coverage-include=${COVERED}`,
  `--test-coverage-lines=${LINES_MIN}`,
];

async function run(concurrency: number, args: readonly string[]): Promise<Run> {
  const runner = spawn(
    process.execPath,
    ['--test', '--test-reporter=spec', `--test-concurrency=${concurrency}`, `--test-timeout=${TEST_MS_MAX}`, ...args],
    {
      cwd: fileURLToPath(new URL('..', import.meta.url)),
      stdio: ['ignore', 'pipe', 'inherit'],
      env: {
        ...process.env,
        NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning`.trim(),
      },
    },
  );
  const totals: Record<string, number> = {};
  const failedFiles = new Set<string>();
  createInterface({ input: runner.stdout }).on('line', (line) => {
    console.log(line);
    const [, name, count] = /^ℹ (pass|fail|cancelled|skipped) (\d+)$/.exec(line) ?? [];
    if (name !== undefined) totals[name] = Number(count);
    // Above each failure in the list of them at the end.
    const [, file] = /^test at (tests\/\S+\.test\.ts):\d+:\d+$/.exec(line) ?? [];
    if (file !== undefined) failedFiles.add(file);
  });
  const code = await new Promise<number>((ended) => runner.on('close', (status) => ended(status ?? 1)));
  const { pass = 0, fail = 0, cancelled = 0, skipped = 0 } = totals;
  return { code, passed: pass, failed: fail + cancelled, skipped, failedFiles: [...failedFiles] };
}

const first = await run(CONCURRENCY, named.length === 0 ? [...coverage, 'tests/**/*.test.ts'] : named);
let { code, passed, failed } = first;
const { failedFiles, skipped } = first;
if (again && failed > 0 && failedFiles.length > 0 && failedFiles.length <= AGAIN_FILES_MAX) {
  console.log(`\nonce more, one at a time: ${failedFiles.join(', ')}\n`);
  const second = await run(1, failedFiles);
  console.log(`\nfailed at first, beside other tests: ${failedFiles.join(', ')}`);
  passed += failed - second.failed;
  failed = second.failed;
  code = second.code;
}
console.log(`\n${passed} passed, ${failed} failed, ${skipped} skipped`);
process.exitCode = code;
