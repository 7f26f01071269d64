import { defineConfig } from 'vitest/config'

export default defineConfig({
  ssr: { resolve: { conditions: ['@verdict/source'] } },
  test: {
    globalSetup: './infra/setup.ts',
    include: ['{packages,services}/*/test/**/*.test.ts', 'test/**/*.test.ts'],
    reporters: ['default', './infra/closing-line.ts'],
  },
})
