// How one text message is classified: a frame, an unknown type, an offer to reject, or the end of the session.
import assert from 'node:assert/strict';
import test from 'node:test';
import fc from 'fast-check';
import { type FrameMisfit, parseStudioFrame, parseWorkerFrame } from '../../src/protocol/index.ts';
import { claim } from './samples.ts';

const offer = (change: Record<string, unknown>): string =>
  JSON.stringify({ type: 'offer', claim: { ...claim, ...change } });

function badOffer(text: string): Extract<FrameMisfit, { kind: 'bad-offer' }> {
  const parsed = parseStudioFrame(text);
  assert.ok(parsed.kind === 'bad-offer', JSON.stringify(parsed));
  return parsed;
}

const notFrames: [string, string][] = [
  ['', 'not JSON'],
  ['{"type":', 'not JSON'],
  ['hello', 'not JSON'],
  ['null', 'no "type"'],
  ['42', 'no "type"'],
  ['"welcome"', 'no "type"'],
  ['[{"type":"welcome"}]', 'no "type"'],
  ['{}', 'no "type"'],
  ['{"type":null}', 'no "type"'],
  ['{"type":7}', 'no "type"'],
];

for (const parse of [parseStudioFrame, parseWorkerFrame]) {
  for (const [text, problem] of notFrames) {
    test(`${parse.name} calls ${JSON.stringify(text)} invalid: ${problem}`, () => {
      assert.deepEqual(parse(text), { kind: 'invalid', problem });
    });
  }

  test(`${parse.name} tells an unknown type from a broken frame`, () => {
    assert.deepEqual(parse('{"type":"aLaterFrame","x":1}'), { kind: 'unknown-type', type: 'aLaterFrame' });
    assert.deepEqual(parse('{"type":"constructor"}'), { kind: 'unknown-type', type: 'constructor' });
    assert.deepEqual(parse('{"type":"__proto__"}'), { kind: 'unknown-type', type: '__proto__' });
    assert.deepEqual(parse(JSON.stringify({ type: 'x'.repeat(500) })), {
      kind: 'unknown-type',
      type: 'x'.repeat(64),
    });
  });

  test(`${parse.name} answers any text without throwing`, () => {
    fc.assert(fc.property(fc.oneof(fc.string(), fc.json()), (text) => void parse(text)));
  });
}

test('the frames of one end are unknown types to the other', () => {
  assert.deepEqual(parseStudioFrame('{"type":"accept","jobId":"j"}'), { kind: 'unknown-type', type: 'accept' });
  assert.deepEqual(parseWorkerFrame('{"type":"heartbeatAck"}'), { kind: 'unknown-type', type: 'heartbeatAck' });
});

test('a frame that is nested too deeply is invalid and does not overflow the stack', () => {
  const deep = '['.repeat(100_000) + ']'.repeat(100_000);
  assert.deepEqual(parseWorkerFrame(`{"type":"completeJson","jobId":"j","result":${deep}}`), {
    kind: 'invalid',
    problem: 'completeJson: nested too deeply',
  });
  const kwargs = `{"type":"offer","claim":{"jobId":"j","task":{"kind":"llm","messages":[],"jsonSchema":${deep}}}}`;
  assert.deepEqual(parseStudioFrame(kwargs), { kind: 'invalid', problem: 'offer: nested too deeply' });
});

for (const jobId of [
  '../x',
  'a/b',
  'a\\b',
  '..',
  '.',
  'x y',
  'x\u0000',
  'é',
  'x?y',
  'x#y',
  '%2e',
  'x'.repeat(129),
  'x'.repeat(200),
]) {
  test(`an offer of job ${JSON.stringify(jobId.slice(0, 12))} (${jobId.length} characters) can be rejected by its id`, () => {
    const parsed = badOffer(offer({ jobId }));
    assert.equal(parsed.jobId, jobId);
    assert.match(parsed.problem, /^claim\.jobId: expected 1 to 128 characters/);
  });
}

for (const [what, jobId] of [
  ['an empty job id', ''],
  ['a job id of 257 characters', 'x'.repeat(257)],
  ['no job id', undefined],
  ['a number as job id', 7],
  ['null as job id', null],
] as const) {
  test(`an offer with ${what} cannot be answered, so it is invalid`, () => {
    const parsed = parseStudioFrame(offer({ jobId }));
    assert.equal(parsed.kind, 'invalid');
    assert.match((parsed as { problem: string }).problem, /^offer: claim\.jobId: /);
  });
}

test('an offer without a claim is invalid', () => {
  assert.equal(parseStudioFrame('{"type":"offer"}').kind, 'invalid');
  assert.equal(parseStudioFrame('{"type":"offer","claim":"job-1"}').kind, 'invalid');
});

for (const jobId of ['a', 'job-1', '9b1d6a52-77aa-41f0-8a53-0f7b1d0c2e11', 'A.b_c:d~e-f', '...', 'x'.repeat(128)]) {
  test(`a job may be called ${jobId.slice(0, 40)}`, () => {
    assert.equal(parseStudioFrame(offer({ jobId })).kind, 'frame');
  });
}

const badOffers: [string, Record<string, unknown>, RegExp][] = [
  ['without a task', { task: undefined }, /^claim\.task: /],
  ['without a model source', { modelSource: undefined }, /^claim\.modelSource: /],
  ['with an empty model name', { model: '' }, /^claim\.model: /],
  ['with a negative memory estimate', { vramGbEstimate: -1 }, /^claim\.vramGbEstimate: /],
  ['without a game', { gameId: undefined }, /^claim\.gameId: /],
  ['of an unknown kind', { task: { kind: 'hologram', prompt: 'x' } }, /^claim\.task\.kind: /],
  ['without a prompt', { task: { kind: 'image' } }, /^claim\.task\.prompt: /],
  ['with a width of -1', { task: { kind: 'image', prompt: '', width: -1 } }, /^claim\.task\.width: /],
  ['with a width of half a pixel', { task: { kind: 'image', prompt: '', width: 0.5 } }, /^claim\.task\.width: /],
  ['with a width of 2^32', { task: { kind: 'image', prompt: '', width: 2 ** 32 } }, /^claim\.task\.width: /],
  ['with a negative seed', { task: { kind: 'image', prompt: '', seed: -1 } }, /^claim\.task\.seed: /],
  ['with a seed above 2^64', { task: { kind: 'image', prompt: '', seed: 2 ** 65 } }, /^claim\.task\.seed: /],
  ['with a text as message content', { task: { kind: 'llm', messages: ['hi'] } }, /^claim\.task\.messages\.0: /],
  [
    'with a path as file name',
    { modelSource: { ...claim.modelSource, files: [{ role: 'model', url: 'u', filename: '../x' }] } },
    /^claim\.modelSource\.files\.0\.filename: expected a plain file name/,
  ],
  [
    'without cliDefaults.steps',
    { modelSource: { ...claim.modelSource, cliDefaults: { cfgScale: 1, width: 1, height: 1 } } },
    /^claim\.modelSource\.cliDefaults\.steps: /,
  ],
];

for (const [what, change, problem] of badOffers) {
  test(`an offer ${what} is to be rejected, naming the field`, () => {
    const parsed = badOffer(offer(change));
    assert.equal(parsed.jobId, claim.jobId);
    assert.match(parsed.problem, problem);
  });
}

test('numbers that JSON cannot hold are out of range', () => {
  const text = offer({}).replace('"vramGbEstimate":12', '"vramGbEstimate":1e999');
  assert.match(badOffer(text).problem, /^claim\.vramGbEstimate: /);
});

test('an offer of the years before task and model source is rejected, not misread', () => {
  const legacy = {
    jobId: 'old',
    gameId: 'g',
    assetName: 'a',
    model: 'm',
    vramGbEstimate: 1,
    prompt: 'a fox',
    ext: 'png',
  };
  const parsed = badOffer(JSON.stringify({ type: 'offer', claim: legacy }));
  assert.equal(parsed.jobId, 'old');
  assert.match(parsed.problem, /claim\.task: .*claim\.modelSource: /);
});

test('legacy fields beside the new ones are ignored', () => {
  assert.equal(parseStudioFrame(offer({ prompt: 'a fox', ext: 'png' })).kind, 'frame');
});

test('what is wrong is said in at most four parts and quotes no value', () => {
  const secret = 'hunter2-hunter2';
  const { problem } = badOffer(
    JSON.stringify({
      type: 'offer',
      claim: { jobId: 'j', gameId: 1, assetName: [secret], model: { secret }, vramGbEstimate: secret, task: secret },
    }),
  );
  assert.equal(problem.split('; ').length, 4);
  assert.doesNotMatch(problem, /hunter2/);
});
