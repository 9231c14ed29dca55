// The llama.cpp engine: loads a GGUF model and completes conversations with it. It runs in an engine process, one model
// each, since much of what can go wrong in llama.cpp ends the process.
import { InsufficientMemoryError, type LlamaModel } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import type {
  EmbedAnswer,
  Engine,
  EngineResult,
  LlmRequest,
  LoadContext,
  LoadedModel,
  ModelRef,
  RunContext,
} from '../engine.ts';
import { type Backend, openBackend } from './backend.ts';
import { compileTemplate } from './chat-template.ts';
import { checkModel, type ModelFacts } from './check-model.ts';
import { type ChatModel, complete, completeText, type TextModel } from './completion.ts';
import { type Embedder, openEmbedder } from './embeddings.ts';
import { pickModelFile } from './model-file.ts';
import { openSequences, type Sequences } from './sequences.ts';
import { tokenize } from './tokenize.ts';

/** Tokens, unless the model says otherwise: the contract's, since a model's trained length may cost many gigabytes. */
const CONTEXT_DEFAULT = 8192;
/** Tokens computed in one go. A cancel waits for the end of one, so a CPU gets fewer. */
const BATCH = { gpu: 512, cpu: 128 };
const OUT_OF_MEMORY = /out of memory|failed to allocate|unable to allocate|cudaMalloc|ErrorOutOfDeviceMemory/i;

export const engine: Engine = { load };

async function load(ref: ModelRef, context: LoadContext): Promise<LoadedModel> {
  const owned: AsyncDisposable[] = [];
  try {
    return await loadInto(owned, ref, context);
  } catch (thrown) {
    await disposeAll(owned);
    throw thrown;
  }
}

/** What it opens is added to `owned` as soon as it is there. */
async function loadInto(owned: AsyncDisposable[], ref: ModelRef, context: LoadContext): Promise<LoadedModel> {
  const { signal, settings } = context;
  signal.throwIfAborted();
  context.progress(0);
  const facts = checkModel(pickModelFile(ref, context.files));
  const backend = await openBackend(settings, context.log);
  owned.push(backend.llama);
  signal.throwIfAborted();
  const model = await loadModel(facts, backend, context);
  owned.push(model);
  const contextSize = contextSizeOf(ref, model);
  const embedder = openEmbedder(model, contextSize, settings.cpuThreads);
  owned.push(embedder);
  const places: Sequences[] = [];
  const openText = async (until: AbortSignal): Promise<TextModel> => {
    const own = { facts, model, backend, contextSize };
    const text = await openTextModel({ ...own, settings, log: context.log, signal: until });
    owned.push(text.sequences);
    places.push(text.sequences);
    return text;
  };
  const chat =
    facts.chatTemplate === undefined ? undefined : chatModel(ref, facts.chatTemplate, await openText(signal));
  // Without a template it holds no conversations, and most models of that kind are for embeddings alone: a place to go on
  // with texts is made when somebody wants one.
  let text: Promise<TextModel> | undefined = chat && Promise.resolve(chat);
  context.log('info', describe(model, backend, contextSize));
  return loaded(ref, {
    ...{ model, backend, chat, embedder, isEncoder: facts.isEncoder },
    text() {
      text ??= openText(AbortSignal.any([])).catch((thrown: unknown) => {
        // There may be memory for it another time.
        text = undefined;
        throw thrown;
      });
      return text;
    },
    used: () => places.map((each) => each.memory()),
    dispose: () => disposeAll(owned),
  });
}

/** The last that was opened goes first, since it uses the others. */
async function disposeAll(owned: AsyncDisposable[]): Promise<void> {
  for (const one of owned.splice(0).reverse()) await one[Symbol.asyncDispose]();
}

type Parts = {
  readonly model: LlamaModel;
  readonly backend: Backend;
  readonly chat: ChatModel | undefined;
  readonly embedder: Embedder;
  readonly isEncoder: boolean;
  text(): Promise<TextModel>;
  /** Of all places that were made. */
  used(): { ram: number; vram: number }[];
  dispose(): Promise<void>;
};

function loaded({ model: name }: ModelRef, parts: Parts): LoadedModel {
  const { model, backend, chat, embedder, isEncoder } = parts;

  async function answer(request: LlmRequest, context: RunContext): Promise<EngineResult> {
    switch (request.operation) {
      case 'tokenize':
        return tokenize(model, request);
      case 'embed': {
        const value: EmbedAnswer = await embedder.embed(request.texts, context);
        return { kind: 'json', value };
      }
      case 'complete': {
        if (!isEncoder) return completeText(await parts.text(), request, context);
        throw new Failure('MODEL_INVALID', `\`${name}\` turns texts into vectors, and cannot go on with one`);
      }
    }
  }

  return {
    get memoryBytes() {
      const used = [model.memoryUsage, ...parts.used()];
      return used.reduce((sum, { ram, vram }) => sum + (backend.name === 'cpu' ? ram : vram), 0);
    },
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'llm') {
        throw new Failure('KIND_UNSUPPORTED', `llama-cpp engine cannot serve ${task.kind} tasks`);
      }
      if ('operation' in task) return answer(task, context);
      if (chat) return complete(chat, task, context);
      const advice = 'use a file of the model that has one (tokenizer.chat_template)';
      throw new Failure(
        'MODEL_INVALID',
        `\`${name}\` has no chat template, so it cannot hold a conversation; ${advice}`,
      );
    },
    [Symbol.asyncDispose]: parts.dispose,
  };
}

async function loadModel(facts: ModelFacts, backend: Backend, context: LoadContext): Promise<LlamaModel> {
  try {
    const model = await backend.llama.loadModel({
      modelPath: facts.path,
      // All of it: a model that is half on the CPU is many times slower than its owner was promised.
      gpuLayers: backend.name === 'cpu' ? 0 : 'max',
      loadSignal: context.signal,
      onLoadProgress: (ratio) => context.progress(Math.min(1, ratio)),
    });
    if (backend.name === 'cpu' || model.gpuLayers > 0) return model;
    await model.dispose();
  } catch (thrown) {
    context.signal.throwIfAborted();
    throw loadFailure(thrown, backend);
  }
  throw new Failure('ENGINE_UNAVAILABLE', `llama.cpp put no layer of the model on ${backend.name}`);
}

type TextParts = Pick<Parts, 'model' | 'backend'> &
  Pick<LoadContext, 'settings' | 'log' | 'signal'> & { readonly facts: ModelFacts; readonly contextSize: number };

async function openTextModel({ facts, model, backend, contextSize, ...context }: TextParts): Promise<TextModel> {
  const { signal, log } = context;
  const batchSize = Math.min(backend.name === 'cpu' ? BATCH.cpu : BATCH.gpu, contextSize);
  const threads = context.settings.cpuThreads;
  try {
    const sequences = await openSequences({ model, contextSize, batchSize, threads, signal, log });
    return { model, sequences, addBos: facts.addBos };
  } catch (thrown) {
    signal.throwIfAborted();
    throw loadFailure(thrown, backend);
  }
}

function chatModel({ model: name, source }: ModelRef, template: string, text: TextModel): ChatModel {
  const { bosString, eosString } = text.model.tokens;
  const { chatTemplateKwargs = {} } = source.cliDefaults;
  return {
    ...text,
    name,
    template: compileTemplate(template, { bos: bosString ?? '', eos: eosString ?? '' }),
    templateKwargs: chatTemplateKwargs,
  };
}

function contextSizeOf({ source }: ModelRef, model: LlamaModel): number {
  const wanted = source.cliDefaults.contextSize || CONTEXT_DEFAULT;
  return Math.min(wanted, model.trainContextSize || wanted);
}

/** The library says no more than that it failed; what llama.cpp wrote before tells memory from a bad file. */
function loadFailure(cause: unknown, { errors, name }: Backend): Failure {
  const why = cause instanceof Error ? cause.message : String(cause);
  if (cause instanceof InsufficientMemoryError || errors.some((line) => OUT_OF_MEMORY.test(line))) {
    return new Failure('VRAM_EXHAUSTED', `the model does not fit into the memory for ${name} now: ${why}`, { cause });
  }
  // The first line says what is wrong; those after it, that therefore nothing was loaded.
  const said = errors[0]?.replace(/^.*error loading model: /, '') ?? why;
  return new Failure('MODEL_INVALID', `llama.cpp cannot load the model: ${said}; use another file of it`, { cause });
}

function describe(model: LlamaModel, { name, devices, llama }: Backend, contextSize: number): string {
  const where = devices.length > 0 ? `${name} (${devices.join(', ')})` : name;
  return `${model.typeDescription} on ${where}, llama.cpp ${llama.llamaCppRelease.release}, context ${contextSize}`;
}
