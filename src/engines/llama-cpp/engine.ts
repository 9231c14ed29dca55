// The llama.cpp engine: loads a GGUF model and completes conversations with it. It runs in an engine process, one model
// each, since much of what can go wrong in llama.cpp ends the process.
import { InsufficientMemoryError, type LlamaModel } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import type { EmbedAnswer, Engine, LoadContext, LoadedModel, ModelRef } from '../engine.ts';
import { type Backend, openBackend } from './backend.ts';
import { compileTemplate } from './chat-template.ts';
import { checkModel, type ModelFacts } from './check-model.ts';
import { type ChatModel, complete, completeText } from './completion.ts';
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
  // A model without a template is one for embeddings, and needs no place for conversations.
  const chat =
    facts.chatTemplate === undefined ? undefined : await openChat(ref, facts, model, backend, contextSize, context);
  if (chat) owned.push(chat.sequences);
  context.log('info', describe(model, backend, contextSize));
  return loaded(ref, model, backend, chat, embedder, () => disposeAll(owned));
}

/** The last that was opened goes first, since it uses the others. */
async function disposeAll(owned: AsyncDisposable[]): Promise<void> {
  for (const one of owned.splice(0).reverse()) await one[Symbol.asyncDispose]();
}

function loaded(
  { model: name }: ModelRef,
  model: LlamaModel,
  backend: Backend,
  chat: ChatModel | undefined,
  embedder: Embedder,
  dispose: () => Promise<void>,
): LoadedModel {
  return {
    get memoryBytes() {
      return memoryOf(model, backend, chat?.sequences);
    },
    async run(task, context) {
      context.signal.throwIfAborted();
      if (task.kind !== 'llm') {
        throw new Failure('KIND_UNSUPPORTED', `llama-cpp engine cannot serve ${task.kind} tasks`);
      }
      if ('operation' in task) {
        if (task.operation === 'tokenize') return tokenize(model, task);
        if (task.operation === 'embed') {
          const value: EmbedAnswer = await embedder.embed(task.texts, context.signal);
          return { kind: 'json', value };
        }
        if (chat) return completeText(chat, task, context);
      } else if (chat) return complete(chat, task, context);
      const advice = 'use a file of the model that has one (tokenizer.chat_template)';
      throw new Failure(
        'MODEL_INVALID',
        `\`${name}\` has no chat template, so it cannot hold a conversation; ${advice}`,
      );
    },
    [Symbol.asyncDispose]: dispose,
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

async function openChat(
  ref: ModelRef,
  facts: ModelFacts,
  model: LlamaModel,
  backend: Backend,
  contextSize: number,
  { signal, settings, log }: LoadContext,
): Promise<ChatModel> {
  const tokens = { bos: model.tokens.bosString ?? '', eos: model.tokens.eosString ?? '' };
  const template = compileTemplate(facts.chatTemplate ?? '', tokens);
  const batchSize = Math.min(backend.name === 'cpu' ? BATCH.cpu : BATCH.gpu, contextSize);
  let sequences: Sequences;
  try {
    sequences = await openSequences({ model, contextSize, batchSize, threads: settings.cpuThreads, signal, log });
  } catch (thrown) {
    signal.throwIfAborted();
    throw loadFailure(thrown, backend);
  }
  const { chatTemplateKwargs = {} } = ref.source.cliDefaults;
  return { name: ref.model, model, template, sequences, addBos: facts.addBos, templateKwargs: chatTemplateKwargs };
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

function memoryOf(model: LlamaModel, backend: Backend, sequences: Sequences | undefined): number {
  const used = [model.memoryUsage, ...(sequences ? [sequences.memory()] : [])];
  return used.reduce((sum, { ram, vram }) => sum + (backend.name === 'cpu' ? ram : vram), 0);
}

function describe(model: LlamaModel, { name, devices, llama }: Backend, contextSize: number): string {
  const where = devices.length > 0 ? `${name} (${devices.join(', ')})` : name;
  return `${model.typeDescription} on ${where}, llama.cpp ${llama.llamaCppRelease.release}, context ${contextSize}`;
}
