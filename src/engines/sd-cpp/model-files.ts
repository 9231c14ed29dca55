// Which of a model's files goes to which flag, and whether all of them are there. A side file that is missing is only a
// warning when the binary loads it, and a crash later, so every file is looked at before anything is started.
import { stat } from 'node:fs/promises';
import { Failure } from '../../protocol/failure.ts';
import type { LocalModelFile } from '../engine.ts';

/** In the order of the command line. The first two exclude each other. */
const FLAG_OF_ROLE: Readonly<Record<string, string>> = {
  'diffusion-model': '--diffusion-model',
  model: '--model',
  'high-noise-diffusion-model': '--high-noise-diffusion-model',
  vae: '--vae',
  taesd: '--tae',
  'text-encoder': '--llm',
  'text-encoder-vision': '--llm_vision',
  'clip-l': '--clip_l',
  'clip-g': '--clip_g',
  'clip-vision': '--clip_vision',
  t5xxl: '--t5xxl',
  'audio-vae': '--audio-vae',
  'embeddings-connectors': '--embeddings-connectors',
};

export type ModelFiles = {
  /** Flags and paths, ready for a command line. */
  readonly args: readonly string[];
  /** The file that sd-server names among its capabilities. */
  readonly mainPath: string;
  readonly loras: readonly LocalModelFile[];
  /** Video models of two experts sample twice. */
  readonly samplingPasses: number;
  /** Roles that mean nothing here. */
  readonly unused: readonly string[];
};

/** Pure. */
export function sortModelFiles(files: readonly LocalModelFile[]): ModelFiles {
  const ofRole = (role: string) => files.find((file) => file.role === role);
  const main = ofRole('diffusion-model') ?? ofRole('model');
  if (!main) {
    const have = files.map(({ role }) => role).join(', ') || 'none';
    throw new Failure(
      'MODEL_SOURCE_MISSING',
      `sd-cpp needs a file with role \`diffusion-model\` or \`model\`; the model source has roles: ${have}`,
    );
  }
  const args: string[] = [];
  const used = new Set<LocalModelFile>();
  for (const [role, flag] of Object.entries(FLAG_OF_ROLE)) {
    const file = ofRole(role);
    if (!file || (role === 'model' && file !== main)) continue;
    args.push(flag, file.path);
    used.add(file);
  }
  const loras = files.filter(({ role }) => role === 'lora');
  return {
    args,
    mainPath: main.path,
    loras,
    samplingPasses: ofRole('high-noise-diffusion-model') ? 2 : 1,
    unused: files.filter((file) => !used.has(file) && file.role !== 'lora').map(({ role }) => role),
  };
}

export async function checkModelFiles(files: readonly LocalModelFile[]): Promise<void> {
  for (const { role, filename, path } of files) {
    const found = await stat(path).catch((cause) => {
      throw new Failure('MODEL_SOURCE_MISSING', `the ${role} file \`${filename}\` is not on this machine`, { cause });
    });
    if (found.isFile() && found.size === 0) {
      throw new Failure('MODEL_INVALID', `the ${role} file \`${filename}\` is empty; delete it to fetch it again`);
    }
  }
}
