// A mistake on the command line that yargs cannot see by itself.

/** The name is that of yargs' own usage errors, by which the CLI knows to end with exit code 2. */
export class UsageError extends Error {
  static {
    UsageError.prototype.name = 'YError';
  }
}
