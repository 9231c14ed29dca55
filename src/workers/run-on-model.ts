// One run, where the engine lives: in a thread or in an engine process. Gives the engine its context, turns what it
// says into run events, and sends a binary result in chunks no faster than they are written.
import type { EngineResult, EngineSettings, LoadedModel, RunContext } from '../engines/engine.ts';
import { Failure, toFailure } from '../protocol/failure.ts';
import { openByteWindow } from './byte-window.ts';
import type { MemoryFacts, RunCommand, RunEvent, RunOrder, RunOutcome } from './messages.ts';
import { openInputQueue } from './run-input.ts';
import { lazyFolder } from './scratch.ts';

export type RunHandle = {
  command(command: RunCommand): void;
  /** Resolves after `end` was posted. Never rejects. */
  readonly ended: Promise<void>;
};

export type RunnableModel = {
  readonly model: LoadedModel;
  readonly settings: EngineSettings;
  /** Asked after each run, since a run may take more than the load. */
  readonly memory: () => MemoryFacts;
};

/** `post` may throw on a value that cannot be sent; the run then fails. */
export function startRun(
  { model, settings, memory }: RunnableModel,
  order: RunOrder,
  post: (event: RunEvent) => void,
): RunHandle {
  const controller = new AbortController();
  const window = openByteWindow(order.windowBytes);
  const queue = order.hasInput ? openInputQueue(post, controller.signal) : undefined;

  async function run(): Promise<RunOutcome> {
    await using folder = lazyFolder(order.scratchDir);
    const context: RunContext = {
      signal: controller.signal,
      settings,
      get scratchDir() {
        return folder.path;
      },
      progress: (progress) => post({ kind: 'progress', progress }),
      token: (text) => post({ kind: 'token', text }),
      reasoning: (text) => post({ kind: 'reasoning', text }),
      partial: (text) => post({ kind: 'partial', text }),
      ...(queue && { input: queue.input }),
      log: (level, message) => post({ kind: 'log', level, message }),
    };
    const result = await model.run(order.task, context);
    return result.kind === 'json' ? { kind: 'json', value: result.value } : sendChunks(result);
  }

  async function sendChunks(result: Extract<EngineResult, { kind: 'bytes' }>): Promise<RunOutcome> {
    let byteLength = 0;
    for await (const chunk of result.chunks) {
      if (!(chunk instanceof Uint8Array)) throw new Failure('ENGINE_FAILED', 'the engine yielded what is not bytes');
      if (chunk.byteLength === 0) continue;
      await window.take(chunk.byteLength, controller.signal);
      byteLength += chunk.byteLength;
      post({ kind: 'chunk', chunk });
    }
    return { kind: 'bytes', ext: result.ext, byteLength };
  }

  async function finish(): Promise<void> {
    try {
      const outcome = await run();
      post({ kind: 'end', outcome, memory: memory() });
    } catch (thrown) {
      const { code, message } = toFailure(thrown, 'ENGINE_FAILED');
      post({ kind: 'end', outcome: { kind: 'failed', failure: { code, message } } });
    }
  }

  return {
    command(command) {
      switch (command.kind) {
        case 'credit':
          window.give(command.bytes);
          break;
        case 'cancel':
          controller.abort(toFailure(command.failure, 'CANCELLED'));
          break;
        default:
          queue?.command(command);
      }
    },
    ended: finish(),
  };
}
