/** This package's version: tracers and meters carry it. */
export const version = '0.1.0'
