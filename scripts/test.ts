// `npm test`: runs every test under tests/ (or the files named on the command line) with Node's own runner. A run of
// everything measures line coverage of the parts that ship and fails below 90 %. Ends with one line of totals, since
// the coverage table would otherwise push the runner's own out of sight.
import { spawn } from 'node:child_process';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const COVERED = 'src/{protocol,workers,supervisor,engines}/**/*.ts';
const LINES_MIN = 90;

/** A test that waits for what never comes must fail, not hold the run up for ever. In ms. */
const TEST_MS_MAX = 120_000;

const named = process.argv.slice(2);
const coverage = [
  '--experimental-test-coverage',
  `--test-coverage-include=${COVERED}`,
  `--test-coverage-lines=${LINES_MIN}`,
];

const runner = spawn(
  process.execPath,
  [
    '--test',
    '--test-reporter=spec',
    // The tests mostly wait for real processes; three at a time keep two cores busy without starving any of them.
    '--test-concurrency=3',
    `--test-timeout=${TEST_MS_MAX}`,
    ...(named.length === 0 ? [...coverage, 'tests/**/*.test.ts'] : named),
  ],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: ['ignore', 'pipe', 'inherit'],
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning`.trim(),
    },
  },
);

const totals: Record<string, number> = { pass: 0, fail: 0, cancelled: 0, skipped: 0 };
createInterface({ input: runner.stdout }).on('line', (line) => {
  console.log(line);
  const [, name, count] = /^ℹ (pass|fail|cancelled|skipped) (\d+)$/.exec(line) ?? [];
  if (name !== undefined) totals[name] = Number(count);
});
runner.on('close', (code) => {
  const failed = (totals.fail ?? 0) + (totals.cancelled ?? 0);
  console.log(`\n${totals.pass} passed, ${failed} failed, ${totals.skipped} skipped`);
  process.exitCode = code ?? 1;
});
