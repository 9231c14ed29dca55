// What the Workers runtime says, made fit for an operator's terminal.

/** Without the addresses of its own machine code that it prints below an error. Ends with a line break, or is empty. */
export function withoutStacks(text: string): string {
  const lines = text.split('\n').filter((line) => line !== '' && !line.startsWith('stack: '));
  return lines.map((line) => `${line}\n`).join('');
}
