// Splits an answer into what the model thought (`<think>…</think>`) and what it says, while it arrives. Pure.
//
//   opening ─<think>→ thinking ─</think>→ answering
//      └──── anything else ──────────────────▶ ┘
const OPEN = '<think>';
const CLOSE = '</think>';

export type Reasoning = {
  /** The part of the answer that may be passed on now. */
  push(text: string): string;
  /** `rest` may still be passed on; all parts together are then `content`, but for the case told below. */
  end(): { readonly rest: string; readonly content: string; readonly reasoning: string };
  readonly thinking: boolean;
};

/**
 * `opened`: the chat template itself began the block, so the model only closes it. `tell` is given the thought piece by
 * piece; all pieces together, trimmed, are the `reasoning` of the end.
 */
export function openReasoning(opened: boolean, tell: (thought: string) => void = () => {}): Reasoning {
  let state: 'opening' | 'thinking' | 'answering' = opened ? 'thinking' : 'opening';
  let thought: string | undefined = opened ? '' : undefined;
  let content = '';
  // What may yet become a tag, or is white space that is part of the answer only if more follows.
  let held = '';

  function opening(text: string): string {
    const all = (held + text).trimStart();
    if (all.startsWith(OPEN)) {
      state = 'thinking';
      thought = '';
      held = '';
      return thinking(all.slice(OPEN.length));
    }
    held = OPEN.startsWith(all) ? all : '';
    if (held !== '' || all === '') return '';
    state = 'answering';
    return answering(all);
  }

  function thinking(text: string): string {
    const all = held + text;
    const at = all.indexOf(CLOSE);
    const sure = at < 0 ? Math.max(0, all.length - CLOSE.length + 1) : at;
    think(all.slice(0, sure));
    held = at < 0 ? all.slice(sure) : '';
    if (at < 0) return '';
    state = 'answering';
    return answering(all.slice(at + CLOSE.length));
  }

  function think(piece: string): void {
    thought += piece;
    if (piece !== '') tell(piece);
  }

  function answering(text: string): string {
    const all = content === '' ? text.trimStart() : held + text;
    const piece = all.trimEnd();
    held = all.slice(piece.length);
    content += piece;
    return piece;
  }

  return {
    push(text) {
      if (state === 'answering') return answering(text);
      return state === 'thinking' ? thinking(text) : opening(text);
    },
    end() {
      const rest = state === 'opening' ? answering(held.trim()) : '';
      if (state === 'thinking') think(held);
      held = '';
      // A block that was closed but not opened: the contract takes all before its end for thought. What was passed on
      // already stays so.
      const stray = thought === undefined ? content.indexOf(CLOSE) : -1;
      if (stray < 0) return { rest, content, reasoning: thought?.trim() ?? '' };
      return {
        rest,
        content: content.slice(stray + CLOSE.length).trim(),
        reasoning: content.slice(0, stray).replaceAll(OPEN, '').trim(),
      };
    },
    get thinking() {
      return state === 'thinking';
    },
  };
}

/** For a text that is no conversation: all of it is the answer, white space and tags included. */
export function withoutReasoning(): Reasoning {
  let content = '';
  return {
    push(text) {
      content += text;
      return text;
    },
    end: () => ({ rest: '', content, reasoning: '' }),
    thinking: false,
  };
}
