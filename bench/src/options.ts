/** Flags and description of what every benchmark has. */
export const JSON_OPTION = [
  '--json [file]',
  'write all figures as JSON, into the file after every round, or to standard output at the end',
] as const;
