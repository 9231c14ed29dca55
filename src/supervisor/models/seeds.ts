// The models that a new catalogue begins with. Their digests are those that the publishers' own pages state; a model whose
// digest nobody has stated is not seeded. Nothing of them is downloaded before somebody loads or pulls one.
import type { CliDefaults, ModelFile, TaskKind } from '../../protocol/index.ts';
import type { CatalogueEntry } from './types.ts';

const HUB = 'https://huggingface.co';

type Seed = {
  readonly id: string;
  readonly displayName: string;
  readonly description: string;
  readonly kind: TaskKind;
  readonly vramGbEstimate: number;
  readonly engine: string;
  readonly cliDefaults: CliDefaults;
  readonly files: ModelFile[];
};

// The four that the wire demands mean nothing to a text model. Without thinking, since models of this size rarely gain by it.
const QWEN: CliDefaults = {
  ...{ cfgScale: 0, steps: 0, width: 0, height: 0 },
  contextSize: 32_768,
  chatTemplateKwargs: { enable_thinking: false },
};

const LIST: readonly Seed[] = [
  {
    id: 'z-image-turbo-q4_k_m.gguf',
    displayName: 'Z-Image Turbo (Q4_K_M)',
    description: 'Pictures from text in 8 steps. 6.7 GB to download.',
    kind: 'image',
    vramGbEstimate: 12,
    engine: 'sd-cpp',
    cliDefaults: { cfgScale: 1, steps: 8, width: 1024, height: 1024, samplingMethod: 'euler' },
    files: [
      {
        role: 'diffusion-model',
        url: `${HUB}/leejet/Z-Image-Turbo-GGUF/resolve/main/z_image_turbo-Q4_K.gguf`,
        filename: 'z_image_turbo-Q4_K.gguf',
        approxBytes: 3_864_250_304,
        sha256: '14b375ab4f226bc5378f68f37e899ef3c2242b8541e61e2bc1aff40976086fbd',
      },
      {
        role: 'text-encoder',
        url: `${HUB}/unsloth/Qwen3-4B-Instruct-2507-GGUF/resolve/main/Qwen3-4B-Instruct-2507-Q4_K_M.gguf`,
        filename: 'Qwen3-4B-Instruct-2507-Q4_K_M.gguf',
        approxBytes: 2_497_281_120,
        sha256: '3605803b982cb64aead44f6c1b2ae36e3acdb41d8e46c8a94c6533bc4c67e597',
      },
      {
        role: 'vae',
        url: `${HUB}/Comfy-Org/Lumina_Image_2.0_Repackaged/resolve/main/split_files/vae/ae.safetensors`,
        filename: 'ae.safetensors',
        approxBytes: 335_304_388,
        sha256: 'afc8e28272cd15db3919bacdb6918ce9c1ed22e96cb12c4d5ed0fba823529e38',
      },
    ],
  },
  {
    id: 'qwen3.5-0.8b',
    displayName: 'Qwen3.5 0.8B instruct (Q8_0)',
    description: 'A small text model, quick even without a GPU. 0.8 GB to download.',
    kind: 'llm',
    vramGbEstimate: 1.5,
    engine: 'llama-cpp',
    cliDefaults: QWEN,
    files: [
      {
        role: 'model',
        url: `${HUB}/unsloth/Qwen3.5-0.8B-GGUF/resolve/6ab461498e2023f6e3c1baea90a8f0fe38ab64d0/Qwen3.5-0.8B-Q8_0.gguf`,
        filename: 'Qwen3.5-0.8B-Q8_0.gguf',
        approxBytes: 811_843_840,
        sha256: '0ad885ffd4bb022fc4f0d33a3308fa108ef8613159d3b3a67e23abca056b7a6c',
      },
    ],
  },
  {
    id: 'qwen3.5-2b',
    displayName: 'Qwen3.5 2B instruct (Q8_0)',
    description: 'A text model for chats and extraction. 2 GB to download.',
    kind: 'llm',
    vramGbEstimate: 3,
    engine: 'llama-cpp',
    cliDefaults: QWEN,
    files: [
      {
        role: 'model',
        url: `${HUB}/unsloth/Qwen3.5-2B-GGUF/resolve/f6d5376be1edb4d416d56da11e5397a961aca8ae/Qwen3.5-2B-Q8_0.gguf`,
        filename: 'Qwen3.5-2B-Q8_0.gguf',
        approxBytes: 2_012_012_800,
        sha256: '1b04acba824817554f4ce23639bc8495ff70453b8fcb047900c731521021f2c1',
      },
    ],
  },
];

export const SEEDS: readonly CatalogueEntry[] = LIST.map(({ engine, cliDefaults, files, ...rest }) => ({
  ...rest,
  source: { engine, files, cliDefaults },
  enabled: true,
  origin: 'local',
}));
