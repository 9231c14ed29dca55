// Whether a model can have its memory, as a table: the ledger's word, what the device really has, and who could leave.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { type MemoryQuestion, memoryRefusal } from '../../../src/supervisor/models/admission.ts';
import type { LoadedModelInfo, MemoryView, Verdict } from '../../../src/workers/types.ts';

const GIB = 1024 ** 3;

function memory(
  patch: { device?: number; reserved?: number; free?: number | undefined; llm?: [number, number] } = {},
): MemoryView {
  const { device = 16, reserved = 0, free, llm: [budget, own] = [12, 0] } = patch;
  const pool = { budgetBytes: 12 * GIB, reservedBytes: 0 };
  return {
    ...{ deviceBytes: device * GIB, reservedBytes: reserved * GIB, marginBytes: GIB },
    freeBytes: free === undefined ? undefined : free * GIB,
    sharedBy: ['image', 'llm', 'audio_stt', 'video'],
    pools: {
      ...{ image: pool, audio_stt: pool, audio_tts: pool, video: pool },
      llm: { budgetBytes: budget * GIB, reservedBytes: own * GIB },
    },
  };
}

function model(key: string, gib: number, patch: Partial<LoadedModelInfo> = {}): LoadedModelInfo {
  return {
    ...{ key, model: key, pool: 'llm', engine: 'test', bytes: gib * GIB, state: 'loaded', runs: 0, pinned: false },
    ...patch,
  };
}

const ready: Verdict = { kind: 'ready' };
const noPlace: Verdict = { kind: 'busy', why: 'no free place in the llm pool' };
const noRoom = (needed: number): Verdict => ({
  ...{ kind: 'busy', why: 'memory is held by models at work' },
  memory: { neededBytes: needed * GIB, freeBytes: 0, marginBytes: GIB },
});
const tooLarge: Verdict = { kind: 'never', code: 'MODEL_TOO_LARGE', why: 'more than the pool may use' };
const noEngine: Verdict = { kind: 'never', code: 'ENGINE_UNAVAILABLE', why: 'not installed' };

function ask(needs: number, verdict: Verdict, patch: Partial<MemoryQuestion> = {}): string | undefined {
  const refusal = memoryRefusal({
    ...{ id: 'm', kind: 'llm', estimateBytes: needs * GIB, verdict, memory: memory() },
    ...{ models: [], leaving: new Set(), patient: false },
    ...patch,
  });
  if (refusal === undefined) return undefined;
  assert.deepEqual([refusal.code, refusal.status], ['insufficient_memory', 409]);
  assert.match(refusal.message, /^model `m` needs /);
  const { neededGib, freeGib, marginGib } = refusal.details;
  return `${neededGib}/${freeGib}/${marginGib}`;
}

test('what the ledger has room for fits, as far as nothing is known of the device', () => {
  assert.equal(ask(4, ready), undefined);
  assert.equal(ask(4, ready, { memory: memory({ free: undefined }) }), undefined);
  // A place in the pool is not a matter of memory, and neither is an engine.
  assert.equal(ask(4, noPlace), undefined);
  assert.equal(ask(400, noEngine), undefined);
});

test('a model beyond every budget is refused for good', () => {
  assert.equal(ask(40, tooLarge), '40/12/1');
  assert.equal(ask(40, tooLarge, { memory: memory({ device: 8 }), patient: true }), '40/8/1');
});

test('the device must have it free, and the margin besides', () => {
  assert.equal(ask(4, ready, { memory: memory({ free: 5 }) }), undefined);
  assert.equal(ask(4, ready, { memory: memory({ free: 4.9 }) }), '4/4.9/1');
  assert.equal(ask(4, noPlace, { memory: memory({ free: 4.9 }) }), '4/4.9/1');
  assert.equal(ask(0, ready, { memory: memory({ free: 0 }) }), undefined, 'nobody knows yet what it takes');
});

test('idle models would leave; pinned ones and those at work would not', () => {
  const free = memory({ free: 2 });
  const at = (patch: Partial<LoadedModelInfo>) => ({ memory: free, models: [model('other', 4, patch)] });
  assert.equal(ask(4, ready, at({})), undefined);
  assert.equal(ask(4, ready, at({ pinned: true })), '4/2/1');
  assert.equal(ask(4, ready, at({ runs: 1 })), '4/2/1');
  assert.equal(ask(4, ready, at({ state: 'loading', runs: 1 })), '4/2/1');
  assert.equal(ask(4, ready, at({ state: 'unloading', runs: 1 })), undefined, 'it is leaving');
  assert.equal(ask(4, ready, at({ memoryBytes: 2 * GIB })), '4/4/1', 'what it really took counts');
  assert.equal(ask(4, ready, at({ memoryBytes: 3 * GIB })), undefined);
});

test('one who can wait counts those at work as well, but never pinned ones', () => {
  const at = (patch: Partial<LoadedModelInfo>) => ({
    ...{ memory: memory({ reserved: 14, llm: [12, 10], free: 2 }), patient: true },
    models: [model('other', 4, patch)],
  });
  assert.equal(ask(5, noRoom(5), at({ runs: 3 })), undefined);
  assert.equal(ask(5, noRoom(5), { ...at({ runs: 3 }), patient: false }), '5/2/1');
  assert.equal(ask(5, noRoom(5), at({ runs: 3, pinned: true })), '5/2/1');
  assert.equal(ask(7, noRoom(7), at({ runs: 3 })), '7/6/1');
  // What is fetched holds nothing of the device yet.
  assert.equal(
    ask(2, ready, {
      memory: memory({ free: 2 }),
      patient: true,
      models: [model('o', 8, { state: 'fetching', runs: 1 })],
    }),
    '2/2/1',
  );
});

test('the model of the same group leaves, whatever it does', () => {
  const loaded = model('sibling', 4, { pinned: true, runs: 1 });
  const at = { memory: memory({ reserved: 14, llm: [12, 11], free: 2 }), models: [loaded] };
  assert.equal(ask(4, noRoom(4), at), '4/1/1');
  assert.equal(ask(4, noRoom(4), { ...at, leaving: new Set(['sibling']) }), undefined);
  assert.equal(ask(6, noRoom(6), { ...at, leaving: new Set(['sibling']) }), '6/5/1');
});

test('what is on another GPU frees nothing when it leaves', () => {
  const at = (pool: 'image' | 'audio_tts') => ({ memory: memory({ free: 2 }), models: [model('other', 4, { pool })] });
  assert.equal(ask(4, ready, at('image')), undefined);
  assert.equal(ask(4, ready, at('audio_tts')), '4/2/1');
});

test('the pool and the device both must have it', () => {
  const other = model('other', 6, { pool: 'image' });
  // The picture model leaves, which helps the device and not the pool.
  const at = { memory: memory({ device: 16, reserved: 16, llm: [12, 10] }), models: [other] };
  assert.equal(ask(2, noRoom(2), at), undefined);
  assert.equal(ask(3, noRoom(3), at), '3/2/1');
});
