// Text in, vectors out: for the local API. A chat model can do it as well as one made for it.
import type { LlamaEmbeddingContext, LlamaModel } from 'node-llama-cpp';
import { Failure } from '../../protocol/failure.ts';
import type { EmbedAnswer, RunContext } from '../engine.ts';
import { unlessAborted } from './unless-aborted.ts';

export type Embedder = AsyncDisposable & {
  /** One vector of length 1 for each text. A text that does not fit is refused, never cut. */
  embed(texts: readonly string[], context: Pick<RunContext, 'signal' | 'progress'>): Promise<EmbedAnswer>;
};

/** Its memory is taken with the first text, since most models are never asked. */
export function openEmbedder(model: LlamaModel, contextSize: number, threads: number): Embedder {
  let opened: Promise<LlamaEmbeddingContext> | undefined;
  return {
    async embed(texts, { signal, progress }) {
      signal.throwIfAborted();
      // A text is pooled over one batch, so the batch must hold all of it.
      opened ??= model.createEmbeddingContext({ contextSize, batchSize: contextSize, threads });
      const context = await opened.catch((thrown: unknown) => {
        // There may be memory for it another time.
        opened = undefined;
        throw thrown;
      });
      const vectors: number[][] = [];
      let tokens = 0;
      for (const text of texts) {
        signal.throwIfAborted();
        const length = context.calculateInputLength(text);
        if (length === 0) throw new Failure('INPUT_INVALID', 'a text to embed is empty');
        if (length >= contextSize) {
          throw new Failure('INPUT_INVALID', `text is ${length} tokens but the context holds ${contextSize}`);
        }
        tokens += length;
        vectors.push(unit((await unlessAborted(context.getEmbeddingFor(text), signal)).vector));
        progress({ ratio: vectors.length / texts.length });
      }
      return { vectors, tokens };
    },
    async [Symbol.asyncDispose]() {
      const context = await opened?.catch(() => undefined);
      await context?.dispose();
    },
  };
}

function unit(vector: readonly number[]): number[] {
  const length = Math.hypot(...vector) || 1;
  return vector.map((value) => value / length);
}
