/** Who may import whom: the walls of docs/architecture.md. Imports of types count. */
const wall = (name, comment, from, to) => ({
  name,
  comment,
  severity: 'error',
  from: typeof from === 'string' ? { path: from } : from,
  to,
})
const door = (library, ...rooms) => ({
  name: `door-${library}`,
  comment: `${library} is used in ${rooms.join(', ')} only`,
  severity: 'error',
  from: { path: '^(src|workers)/', pathNot: rooms.map((room) => `^${room}`) },
  to: { path: `^node_modules/${library}/` },
})

/** Folders of resources, what is shared below what shares it: each may import those before it. */
const RESOURCES = [
  'storage',
  'queue',
  'owners',
  'idempotency',
  'api-keys',
  'webhooks',
  'uploads',
  'models',
  'datasets',
  'jobs',
  'artifacts',
  'comparisons',
]
const above = (resource, i) =>
  wall(`${resource}-knows-those-below`, `resources do not import each other in a circle`, `^src/${resource}/`, {
    path: `^src/(${RESOURCES.slice(i + 1).join('|') || 'nothing-above'})/`,
  })

const SERVICE = {
  path: '^src/(http|api-keys|owners|idempotency|jobs|queue|storage|artifacts|webhooks|uploads|models|datasets|comparisons)/',
  pathNot: '^src/(models|datasets)/(summarize|inspect-thread)\\.ts',
}

export default {
  forbidden: [
    { name: 'no-cycles', severity: 'error', from: {}, to: { circular: true } },
    ...RESOURCES.map(above),
    { name: 'not-to-unresolvable', severity: 'error', from: {}, to: { couldNotResolve: true } },
    wall('shared-is-the-ground', 'shared imports nothing of ours', '^src/shared/', {
      path: '^(src|workers)/',
      pathNot: '^src/shared/',
    }),
    wall(
      'src-knows-no-workers',
      'processes are on top; the command starts some',
      { path: '^src/', pathNot: '^src/cli/' },
      { path: '^(workers|test|bench|examples)/' },
    ),
    wall(
      'command-is-on-top',
      'nobody but its tests knows the command',
      { path: '^(src|workers)/', pathNot: '^src/cli/' },
      { path: '^src/cli/' },
    ),
    wall('engine-is-a-library', 'no HTTP, queue, Redis or store', '^src/engine/', {
      path: '^(src|workers)/',
      pathNot: '^src/(engine/|contract/|shared/(errors|version)\\.ts)',
    }),
    wall('contract-imports-nothing', 'the contract crosses every wall', '^src/contract/', {
      path: '^(src|workers)/',
      pathNot: '^src/contract/',
    }),
    wall('ir-is-the-bottom', 'the graph knows nobody', '^src/engine/ir/', {
      path: '^src/engine/',
      pathNot: '^src/engine/ir/',
    }),
    wall('onnx-knows-ir', 'bytes to graph and back', '^src/engine/onnx/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(onnx|ir)/',
    }),
    wall(
      'onnx-has-one-door',
      'protobuf stays in its folder',
      { path: '^src/', pathNot: '^src/engine/onnx/' },
      { path: '^src/engine/onnx/(?!index\\.ts)' },
    ),
    wall('tflite-knows-graphs', 'another format: graphs in, files and sessions out', '^src/engine/tflite/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(tflite|ir|ops|runtime/runtime\\.ts)',
    }),
    wall(
      'tflite-has-one-door',
      'flatbuffers stay in their folder',
      { path: '^src/', pathNot: '^src/engine/tflite/' },
      { path: '^src/engine/tflite/(?!index\\.ts)' },
    ),
    wall('ops-know-ir', 'an operator knows graphs, not chips or methods', '^src/engine/ops/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(ops|ir)/',
    }),
    wall('passes-know-ops', 'a pass knows graphs and operators', '^src/engine/passes/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(passes|ops|ir)/',
    }),
    wall('targets-are-data', 'a target names no code', '^src/engine/targets/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(targets/|ir/words\\.ts)',
      dependencyTypesNot: ['type-only'],
    }),
    wall(
      'quant-below-methods',
      'methods use the stages, not the other way',
      '^src/engine/(quant|plan|calibrate|correct|insert|blockwise)/',
      {
        path: '^src/engine/(methods|verify|pipeline|prepare|data)',
      },
    ),
    wall('compat-is-a-branch', 'parity with ONNX Runtime knows graphs and arithmetic', '^src/engine/compat/', {
      path: '^src/engine/',
      pathNot: '^src/engine/(compat|ir|ops|onnx/index\\.ts|quant/(math|packed)\\.ts)',
    }),
    wall('methods-below-pipeline', 'only the pipeline knows the order of the stages', '^src/engine/(methods|verify)/', {
      path: '^src/engine/(pipeline|index)\\.ts',
    }),
    wall('service-sees-the-contract', 'the service runs no engine, but reads uploads in threads', SERVICE, {
      path: '^src/engine/',
      pathNot: '^src/engine/(targets/|ops/index\\.ts|compare/(rules/|candidate\\.ts|facts\\.ts|methods\\.ts))',
      dependencyTypesNot: ['type-only'],
    }),
    wall(
      'resources-know-no-http',
      'verbs serve any caller',
      '^src/(api-keys|owners|idempotency|models|datasets|jobs|artifacts|webhooks|uploads|comparisons|queue|storage)/',
      { path: '^src/http/' },
    ),
    door('onnxruntime-node', 'src/engine/runtime/ort.ts'),
    door('@litertjs', 'src/engine/tflite/litert.ts'),
    door('onnxruntime-web', 'src/engine/runtime/browser/wasm.ts'),
    door('fastify', 'src/http/', 'src/server.ts'),
    door('bullmq', 'src/queue/', 'workers/'),
    door('prom-client', 'src/telemetry/'),
    door('@opentelemetry', 'src/telemetry/otel.ts'),
    door('pino', 'src/shared/log.ts'),
    door('commander', 'src/cli/'),
    door('sharp', 'src/engine/data/images/decode.ts'),
    door('@huggingface/tokenizers', 'src/engine/data/text/encode.ts'),
  ],
  options: {
    tsConfig: { fileName: 'tsconfig.json' },
    tsPreCompilationDeps: true,
    doNotFollow: { path: 'node_modules' },
    exclude: { path: '^dist/' },
    enhancedResolveOptions: { exportsFields: ['exports'], conditionNames: ['import', 'node', 'default'] },
  },
}
