// The synthetic engine: real files without a model, the same bytes for the same text. It exists to prove the way of a
// job from offer to delivery on any machine. Codecs are loaded with the first task that needs them, so that a text job
// never waits for an image library.
import { Failure } from '../../protocol/failure.ts';
import type { Task, TaskKind } from '../../protocol/index.ts';
import type { Engine, EngineResult, LoadedModel, ModelRef, RunContext } from '../engine.ts';
import { SYNTHETIC_MODELS } from './descriptor.ts';
import { answer } from './requests.ts';
import { completion, transcript } from './text.ts';

export const engine: Engine = {
  async load(model, context) {
    context.signal.throwIfAborted();
    if (!kindsOf(model.model).length) {
      const names = [...new Set(Object.values(SYNTHETIC_MODELS).flat())].join(', ');
      throw new Failure('MODEL_INVALID', `synthetic engine has no model \`${model.model}\`; it has: ${names}`);
    }
    context.progress(1);
    return loaded(model);
  },
};

function loaded(model: ModelRef): LoadedModel {
  const kinds = kindsOf(model.model);
  return {
    async run(task, context) {
      context.signal.throwIfAborted();
      if (!kinds.includes(task.kind)) {
        throw new Failure('MODEL_INVALID', `synthetic engine has no model \`${model.model}\` for ${task.kind} tasks`);
      }
      if ('operation' in task) {
        if (task.kind === 'llm') return answer(task, context);
        throw new Failure('KIND_UNSUPPORTED', `synthetic engine knows no operation \`${task.operation}\``);
      }
      return runTask(task, model, context);
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function runTask(task: Task, model: ModelRef, context: RunContext): Promise<EngineResult> {
  switch (task.kind) {
    case 'llm':
      return completion(task, context);
    case 'audio_stt':
      return transcript(task, context);
    case 'audio_tts':
      return (await import('./speech.ts')).speech(task, context);
    case 'image':
      return (await import('./image.ts')).image(task, model.source.cliDefaults, context);
    case 'video':
      return (await import('./video.ts')).video(task, model.source.cliDefaults, context);
    default:
      return task satisfies never;
  }
}

function kindsOf(name: string): TaskKind[] {
  const entries = Object.entries(SYNTHETIC_MODELS) as [TaskKind, readonly string[]][];
  return entries.filter(([, names]) => names.includes(name)).map(([kind]) => kind);
}
