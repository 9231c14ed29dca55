import { testEngine } from '../../fixtures/engines/descriptor.ts';
import { TASK_KINDS } from '../../src/protocol/index.ts';
import { syntheticJob, task, testJob } from '../workers/rig.ts';
import { conformance } from './conformance.ts';

conformance({
  title: 'the synthetic engine',
  extraEngines: [],
  jobs: TASK_KINDS.map((kind) => syntheticJob(kind)),
  slowJob: syntheticJob('image', '', { task: task('image', 'a large fox', { width: 2048, height: 2048 }) }),
  wrongJob: syntheticJob('image', '', { task: task('image', 'a fox', { ext: 'bmp' }) }),
});

for (const isolation of ['thread', 'process'] as const) {
  conformance({
    title: `the test engine in a ${isolation}`,
    extraEngines: [testEngine({ isolation })],
    jobs: TASK_KINDS.map((kind) => testJob({ ms: 10, steps: 2 }, { kind })),
    slowJob: testJob({ ms: 500, steps: 10 }),
    wrongJob: testJob({ throw: 'no', code: 'INPUT_INVALID' }),
  });
}
