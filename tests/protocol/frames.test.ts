// The contract of both ends' frames: what is written is read back the same, absent means missing, null is accepted.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import {
  type ParsedFrame,
  parseStudioFrame,
  parseWorkerFrame,
  StudioFrame,
  WorkerFrame,
} from '../../src/protocol/index.ts';
import { capabilities, claim, studioFrames, workerFrames } from './samples.ts';

type Json = { [key: string]: unknown };

const jsonOf = (frame: unknown): Json => JSON.parse(JSON.stringify(frame));

function read<Frame>(parsed: ParsedFrame<Frame>): Frame {
  assert.equal(parsed.kind, 'frame', JSON.stringify(parsed));
  return (parsed as { frame: Frame }).frame;
}

const ends = [
  { name: 'worker', frames: workerFrames as Json[], parse: parseWorkerFrame, types: WorkerFrame.options.length },
  { name: 'studio', frames: studioFrames as Json[], parse: parseStudioFrame, types: StudioFrame.options.length },
] as const;

for (const { name, frames, parse, types } of ends) {
  test(`the samples hold every type of ${name} frame`, () => {
    assert.equal(new Set(frames.map((frame) => frame.type)).size, types);
  });

  for (const frame of frames) {
    test(`a complete ${name} ${frame.type} round-trips unchanged`, () => {
      assert.deepEqual(jsonOf(read<unknown>(parse(JSON.stringify(frame)))), jsonOf(frame));
    });

    test(`unknown fields of a ${name} ${frame.type} are tolerated and dropped`, () => {
      const more = { ...frame, aLaterField: { anything: [1] } };
      assert.deepEqual(jsonOf(read<unknown>(parse(JSON.stringify(more)))), jsonOf(frame));
    });
  }
}

/** For each frame with optional fields: what must be there, and what may be missing or null. */
const optionals: { end: 'worker' | 'studio'; required: Json; optional: string[] }[] = [
  { end: 'worker', required: { type: 'hello', authToken: 't', capabilities }, optional: ['inFlight'] },
  {
    end: 'worker',
    required: { type: 'heartbeat', capabilities },
    optional: ['currentJobId', 'currentJobIds'],
  },
  { end: 'worker', required: { type: 'reject', jobId: 'j', reason: 'r' }, optional: ['code'] },
  { end: 'worker', required: { type: 'completeJson', jobId: 'j', result: null }, optional: ['prompt'] },
  { end: 'worker', required: { type: 'fail', jobId: 'j', error: 'e', retryable: false }, optional: ['code'] },
  { end: 'worker', required: { type: 'progress', jobId: 'j', ratio: 1 }, optional: ['step', 'steps'] },
  {
    end: 'studio',
    required: { type: 'welcome', workerId: 'w', serverTime: 'now' },
    optional: ['features', 'resumed'],
  },
  { end: 'studio', required: { type: 'cancel', jobId: 'j' }, optional: ['reason'] },
];

for (const { end, required, optional } of optionals) {
  const parse: (text: string) => ParsedFrame<unknown> = end === 'worker' ? parseWorkerFrame : parseStudioFrame;

  test(`absent fields of ${required.type} stay absent on output`, () => {
    assert.deepEqual(jsonOf(read(parse(JSON.stringify(required)))), jsonOf(required));
  });

  test(`null is read as absent in ${optional.join(' and ')} of ${required.type}`, () => {
    const nulls = Object.fromEntries(optional.map((key) => [key, null]));
    assert.deepEqual(jsonOf(read(parse(JSON.stringify({ ...required, ...nulls })))), jsonOf(required));
  });

  for (const key of Object.keys(required).filter((each) => each !== 'type' && each !== 'result')) {
    test(`${required.type} without ${key} is not a frame`, () => {
      const { [key]: _, ...rest } = required;
      const parsed = parse(JSON.stringify(rest));
      assert.equal(parsed.kind, 'invalid');
      assert.match((parsed as { problem: string }).problem, new RegExp(`^${required.type}: ${key}: `));
    });
  }
}

test('completeJson without a result is not a frame, with a null result it is', () => {
  assert.equal(parseWorkerFrame('{"type":"completeJson","jobId":"j"}').kind, 'invalid');
  assert.equal(parseWorkerFrame('{"type":"completeJson","jobId":"j","result":null}').kind, 'frame');
});

// The one exception is a key `__proto__`, which is left out: nobody who merges a result may be caught by it.
const result = fc.jsonValue().filter((value) => !JSON.stringify(value).includes('__proto__'));

test('any JSON value survives as the result of a job', () => {
  fc.assert(
    fc.property(result, (result) => {
      const text = JSON.stringify({ type: 'completeJson', jobId: 'j', result });
      const frame = read(parseWorkerFrame(text));
      assert.deepEqual(jsonOf(frame), JSON.parse(text));
    }),
    { numRuns: 200 },
  );
});

test('an offer in the words of the contract is read', () => {
  const text = `{"type":"offer","claim":{
    "jobId":"job-7","gameId":"game-a","assetName":"game-a/creatures/fox","model":"z-image-turbo-q4_k_m.gguf",
    "vramGbEstimate":12.0,
    "task":{"kind":"image","prompt":"a fox","width":1024,"height":1024,"ext":"webp"},
    "modelSource":{"engine":"sd-cpp","files":[{"role":"diffusion-model","url":"https://h/x.gguf","filename":"x.gguf"}],
                   "cliDefaults":{"cfgScale":1.0,"steps":8,"width":1024,"height":1024,"samplingMethod":"euler"}}}}`;
  const frame = read(parseStudioFrame(text));
  assert.ok(frame.type === 'offer');
  assert.deepEqual(jsonOf(frame.claim.task), {
    kind: 'image',
    prompt: 'a fox',
    width: 1024,
    height: 1024,
    steps: 20,
    ext: 'webp',
  });
});

const wrongWorkerFrames: [string, Json][] = [
  ['an empty job id', { type: 'accept', jobId: '' }],
  ['a job id of 257 characters', { type: 'accept', jobId: 'x'.repeat(257) }],
  ['a reject code that nobody knows', { type: 'reject', jobId: 'j', reason: 'r', code: 'tired' }],
  ['a ratio above 1', { type: 'progress', jobId: 'j', ratio: 1.01 }],
  ['a negative ratio', { type: 'progress', jobId: 'j', ratio: -0.01 }],
  ['half a step', { type: 'progress', jobId: 'j', ratio: 0, step: 0.5 }],
  [
    'a log level that is not shipped',
    { type: 'logBatch', entries: [{ ts: '', level: 'debug', category: '', message: '' }] },
  ],
  ['a text where a flag belongs', { type: 'fail', jobId: 'j', error: 'e', retryable: 'yes' }],
  ['capabilities of nothing', { type: 'heartbeat', capabilities: {} }],
];

for (const [what, frame] of wrongWorkerFrames) {
  test(`a worker frame with ${what} is not a frame`, () => {
    assert.equal(parseWorkerFrame(JSON.stringify(frame)).kind, 'invalid');
  });
}

test('ids in worker frames may be those of an unreadable offer, so that it can be rejected', () => {
  const reject = { type: 'reject', jobId: '../x', reason: 'offer cannot be read' };
  assert.equal(parseWorkerFrame(JSON.stringify(reject)).kind, 'frame');
});

test('the claim of an offer round-trips through JSON with absent fields left out', () => {
  const frame = read(
    parseStudioFrame(JSON.stringify({ type: 'offer', claim: { ...claim, task: { kind: 'llm', messages: [] } } })),
  );
  assert.ok(frame.type === 'offer');
  assert.deepEqual(Object.keys(jsonOf(frame.claim.task)).sort(), ['kind', 'maxTokens', 'messages', 'temperature']);
});
