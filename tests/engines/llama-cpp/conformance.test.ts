import { after } from 'node:test';
import { conformance } from '../conformance.ts';
import { chatJob, writeModels } from './models.ts';

const models = await writeModels();
after(() => models[Symbol.asyncDispose]());

conformance({
  title: 'the llama.cpp engine',
  extraEngines: [],
  settings: { modelsRoot: models.root, gpu: 'cpu' },
  jobs: [chatJob('hi')],
  slowJob: chatJob('@loop', { maxTokens: 1000 }),
  wrongJob: chatJob('x'.repeat(9000)),
  text: {
    stopJob: chatJob('@stop', { stop: ['STOP'] }),
    stopped: 'Say it.',
    overflowJob: chatJob('a'.repeat(56), {}, { cliDefaults: { contextSize: 64 } }),
  },
});
