// `npm test`: runs every test under tests/ (or the files named on the command line) with Node's own runner. A run of
// everything measures line coverage of the parts that ship and fails below 90 %.
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

const COVERED = 'src/{protocol,workers,supervisor,engines}/**/*.ts';
const LINES_MIN = 90;

const named = process.argv.slice(2);
const coverage = [
  '--experimental-test-coverage',
  `--test-coverage-include=${COVERED}`,
  `--test-coverage-lines=${LINES_MIN}`,
];

const { status, signal } = spawnSync(
  process.execPath,
  [
    '--test',
    // Two at a time: the tests start real processes, and more of them than cores only makes each slower.
    '--test-concurrency=2',
    // A test that waits for what never comes must fail, not hold the run up for ever. In ms.
    '--test-timeout=120000',
    ...(named.length === 0 ? [...coverage, 'tests/**/*.test.ts'] : named),
  ],
  {
    cwd: fileURLToPath(new URL('..', import.meta.url)),
    stdio: 'inherit',
    env: {
      ...process.env,
      NODE_OPTIONS: `${process.env.NODE_OPTIONS ?? ''} --disable-warning=ExperimentalWarning`.trim(),
    },
  },
);
process.exitCode = signal === null ? (status ?? 1) : 1;
