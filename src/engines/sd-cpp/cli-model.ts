// A model driven by sd-cli: one process a job, which loads the weights each time. For machines without an sd-server.
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { EngineResult, LoadedModel, RunContext } from '../engine.ts';
import { cliArgs } from './args.ts';
import { endFailure, lastWords, sideFileFailure } from './errors.ts';
import { openOutputLog } from './output-log.ts';
import { openProgram } from './program.ts';
import { finish } from './result.ts';
import { openRunProgress } from './run-progress.ts';
import type { Setup } from './setup.ts';
import { binaryFormat } from './video-format.ts';
import { prepare, type Work } from './work.ts';

export function openCliModel(setup: Setup): LoadedModel {
  return {
    async run(task, context): Promise<EngineResult> {
      const work = await prepare(task, setup.runtime.defaults, context);
      return finish(await generate(work, setup, context), work, context);
    },
    async [Symbol.asyncDispose]() {},
  };
}

async function generate(work: Work, setup: Setup, context: RunContext): Promise<Uint8Array> {
  const { binary, files, lora, runtime } = setup;
  // The binary writes a preview and more into its current folder if told to; nothing of ours lies there.
  const cwd = join(context.scratchDir, 'cwd');
  await mkdir(cwd, { mode: 0o700 });
  const out = join(context.scratchDir, `out.${work.kind === 'image' ? 'png' : binaryFormat(work.ext)}`);
  const output = openOutputLog(context.log);
  const progress = openRunProgress(files.samplingPasses);
  const args = cliArgs({
    modelArgs: files.args,
    // The empty text turns tags in prompts off altogether.
    lora: { dir: lora.names.length ? lora.dir : '', names: lora.names },
    ...{ generation: work.generation, inputs: work.inputs, runtime, out },
  });
  context.signal.throwIfAborted();
  const program = await openProgram({
    ...{ file: binary.file, args, cwd, env: binary.env },
    heard(stream, text) {
      output.push(stream, text, (event) => {
        const news = progress(event);
        if (news) context.progress(news);
      });
    },
  });
  const stop = () => void program.stop();
  context.signal.addEventListener('abort', stop);
  if (context.signal.aborted) stop();
  const exit = await program.exited;
  context.signal.removeEventListener('abort', stop);
  context.signal.throwIfAborted();
  if (exit.code !== 0) throw endFailure({ name: 'sd-cli', exit, lines: output.lines });
  const sideFile = sideFileFailure(output.lines);
  if (sideFile) throw sideFile;
  return readFile(out).catch((cause) => {
    const said = lastWords(output.lines);
    throw new Failure('ENGINE_FAILED', `sd-cli ended without an error and wrote no file${said ? `: ${said}` : ''}`, {
      cause,
    });
  });
}
