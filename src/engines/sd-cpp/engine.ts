// The sd-cpp engine: images and videos by stable-diffusion.cpp, in a program of its own. A warm sd-server for each loaded
// model where that binary is there, else sd-cli for each job.
//
//   load: files sorted and looked at → binary found → Vulkan and device checked → server started, weights loaded
//   run:  task checked, inputs fetched → generated → decoded and measured → written in the asked format
import { join, resolve } from 'node:path';
import { Failure } from '../../protocol/failure.ts';
import type { Engine, LoadContext } from '../engine.ts';
import { chooseBinary } from './choose-binary.ts';
import { openCliModel } from './cli-model.ts';
import { openLoraFolder } from './lora-folder.ts';
import { checkModelFiles, type ModelFiles, sortModelFiles } from './model-files.ts';
import type { OutputEvent } from './output-parser.ts';
import { openServerModel } from './server-model.ts';
import type { Setup } from './setup.ts';

export const engine: Engine = {
  async load(model, context) {
    const { signal, settings, log } = context;
    signal.throwIfAborted();
    // The binaries run in a folder of their own.
    const local = context.files.map((file) => ({ ...file, path: resolve(file.path) }));
    const files = sortModelFiles(local);
    await checkModelFiles(local);
    for (const role of files.unused) log('warn', `the file with role \`${role}\` is not used by sd-cpp`);
    const { kind, binary, backend } = await chooseBinary(context);
    log('info', `stable-diffusion.cpp ${binary.traits.version} on ${backend.name} (sd-${kind})`);
    if (backend.isCpu && settings.gpu === 'auto') log('warn', 'stable-diffusion.cpp lists no GPU, so the CPU computes');
    const { cliDefaults } = model.source;
    if (cliDefaults.maxVramGib !== undefined && !Number.isFinite(cliDefaults.maxVramGib)) {
      throw new Failure('MODEL_INVALID', "the model's maxVramGib is not a number");
    }
    const setup: Setup = {
      ...{ binary, files, dir: context.scratchDir, isCpu: backend.isCpu, log },
      lora: await openLoraFolder(join(context.scratchDir, 'loras'), files.loras),
      runtime: {
        defaults: cliDefaults,
        threads: settings.cpuThreads,
        backend: backend.flag,
        traits: binary.traits,
      },
    };
    const loaded =
      kind === 'cli'
        ? openCliModel(setup)
        : await openServerModel(setup, { signal, heard: loadProgress(files, context) });
    context.progress(1);
    return loaded;
  },
};

/** Each part of a model draws a bar of its own; how large the parts are is not told. */
function loadProgress(files: ModelFiles, context: LoadContext): (event: OutputEvent) => void {
  const parts = files.args.length / 2;
  let part = 0;
  let last = 0;
  return (event) => {
    if (event.kind === 'weights') {
      last = Math.max(last, Math.min(0.95, (part + event.done / Math.max(1, event.total)) / parts));
      if (event.done === event.total) part += 1;
    }
    context.progress(last);
  };
}
