// Something that happened, or will: what every end-to-end test waits for instead of waiting for time to pass.

/** Longer than anything here takes, even on a busy machine; reaching it is a failed test, never a passed one. */
const UNTIL_MS_MAX = 90_000;

export class Happenings<T> {
  readonly all: T[] = [];
  readonly #waiting = new Set<() => void>();
  #over: Error | undefined;

  push(item: T): void {
    this.all.push(item);
    this.#wake();
  }

  /** Nothing more will come: whoever still waits is told why. */
  end(why: Error): void {
    this.#over = why;
    this.#wake();
  }

  /** The first item, from `from` on, for which `matches` holds, once there is one. */
  async until(what: string, matches: (item: T) => boolean, from = 0): Promise<T> {
    const deadline = AbortSignal.timeout(UNTIL_MS_MAX);
    let index = from;
    while (true) {
      for (; index < this.all.length; index += 1) {
        const item = this.all[index] as T;
        if (matches(item)) return item;
      }
      if (this.#over !== undefined) throw new Error(`never happened: ${what}; ${this.#over.message}`);
      await new Promise<void>((wake, reject) => {
        const done = (): void => {
          this.#waiting.delete(done);
          deadline.removeEventListener('abort', late);
          wake();
        };
        const late = (): void => {
          this.#waiting.delete(done);
          reject(new Error(`did not happen within ${UNTIL_MS_MAX} ms: ${what}\n${this.#tail()}`));
        };
        this.#waiting.add(done);
        deadline.addEventListener('abort', late, { once: true });
      });
    }
  }

  #wake(): void {
    for (const wake of [...this.#waiting]) wake();
  }

  #tail(): string {
    return this.all
      .slice(-15)
      .map((item) => JSON.stringify(item)?.slice(0, 400))
      .join('\n');
  }
}
