// The model files that the llama.cpp tests share, laid out as the model store does, and jobs for them.
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { bagOfWords } from '../../../fixtures/models/bag-of-words.ts';
import { brokenGgufs } from '../../../fixtures/models/broken-gguf.ts';
import { type Script, scriptedLlama } from '../../../fixtures/models/scripted-llama.ts';
import type { LlmRequest } from '../../../src/engines/engine.ts';
import type { LlmTask } from '../../../src/protocol/index.ts';
import type { HostJob } from '../../../src/workers/types.ts';
import { type JobPatch, syntheticJob, task } from '../../workers/rig.ts';

/** The word in the user's message picks what is said. */
export const SCRIPTS: readonly Script[] = [
  { pieces: ['Hello', ' world', '.'] },
  { trigger: '@stop', pieces: ['Say', ' it. ST', 'OP he', 're'] },
  { trigger: '@think', pieces: ['<think>', 'hmm', ' so ', '</think>', '\n\n', 'It', ' is', ' 42'] },
  { trigger: '@emoji', pieces: ['A', 0xf0, 0x9f, 0x98, 0x80, 'B'] },
  { trigger: '@json', pieces: ['{"', 'na', 'me": ', '"bob', '"}'] },
  { trigger: '@loop', pieces: ['x', 'y', 'z'], loops: true },
  { trigger: '@dice', pieces: ['1', '2', '3', '4', '5', '6'], dice: true },
];

export type Models = AsyncDisposable & { readonly root: string };

/** `scripted`, `slow` (a few milliseconds a token), `with-bos`, `no-template`, `words`, and `broken` with one file for each fault. */
export async function writeModels(): Promise<Models> {
  const root = await mkdtemp(join(tmpdir(), 'llama-test-'));
  const put = async (model: string, filename: string, file: Buffer) => {
    await mkdir(join(root, model), { recursive: true });
    await writeFile(join(root, model, filename), file);
  };
  await put('scripted', 'model.gguf', scriptedLlama({ scripts: SCRIPTS, contextLength: 16_384 }));
  await put('slow', 'model.gguf', scriptedLlama({ scripts: SCRIPTS, contextLength: 16_384, feedForward: 16_384 }));
  await put('with-bos', 'model.gguf', scriptedLlama({ scripts: SCRIPTS, addBos: true, contextLength: 96 }));
  await put('no-template', 'model.gguf', scriptedLlama({ scripts: SCRIPTS, template: null }));
  await put('words', 'model.gguf', bagOfWords(['red', 'green', 'fox', 'house']));
  for (const [filename, file] of Object.entries(brokenGgufs())) await put('broken', filename, file);
  return { root, [Symbol.asyncDispose]: () => rm(root, { recursive: true, force: true }) };
}

export type ChatPatch = Omit<JobPatch, 'engine' | 'task' | 'files'> & { filename?: string };

export function chatJob(text: string, more: Partial<LlmTask> = {}, patch: ChatPatch = {}): HostJob {
  const { filename = 'model.gguf', model = 'scripted', ...rest } = patch;
  return syntheticJob('llm', text, {
    ...rest,
    engine: 'llama-cpp',
    model,
    // It lies there already; nobody is asked.
    files: [{ role: 'model', url: `https://models.invalid/${model}/${filename}`, filename }],
    task: task('llm', text, more),
  });
}

/** What programs on this machine ask for beyond a chat. */
export function requestJob(request: LlmRequest, patch: ChatPatch = {}): HostJob {
  return { ...chatJob('', {}, patch), task: request };
}

export type Completion = {
  object: string;
  model: string;
  choices: { message: { role: string; content: string; reasoning_content?: string }; finish_reason: string }[];
  usage: { prompt_tokens: number; completion_tokens: number; total_tokens: number };
  elapsed_ms: number;
};
