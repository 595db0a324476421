/** The head of the OpenAPI document. */

export const INFO = {
  openapi: '3.1.0',
  info: {
    title: 'Fewbit',
    version: '1.0.0',
    summary: 'Quantization as a service',
    description:
      'Upload an ONNX model, name a hardware target and a method, and get back a smaller, faster model with proof of what it cost. Errors are problem+json (RFC 9457) with a stable `code`; times are RFC 3339 in UTC; ids are opaque.',
    contact: { name: 'Fewbit', url: 'https://github.com/fewbit/fewbit' },
    license: { name: 'Apache-2.0', identifier: 'Apache-2.0' },
  },
  servers: [{ url: '/', description: 'this server' }],
  security: [],
  components: {
    securitySchemes: {
      apiKey: {
        type: 'http' as const,
        scheme: 'bearer',
        description:
          'An API key (`fb_…`). A service that is bound to its own machine needs none unless REQUIRE_KEYS is set. `x-scope` of an operation is the scope that the key must have.',
      },
    },
  },
  tags: [
    { name: 'models', description: 'ONNX models' },
    { name: 'datasets', description: 'Calibration and evaluation data' },
    { name: 'uploads', description: 'Models and data sets that are sent in parts' },
    { name: 'targets', description: 'Hardware profiles' },
    { name: 'jobs', description: 'Quantizations, their progress and reports' },
    { name: 'artifacts', description: 'What jobs made' },
    { name: 'comparisons', description: 'Several methods and targets for one model, and a verdict' },
    { name: 'api-keys', description: 'Who may call the API' },
    {
      name: 'webhooks',
      description: 'Addresses that are told how jobs go, and what they are sent (Standard Webhooks 1.0)',
    },
    { name: 'problems', description: 'What the codes of error answers mean' },
    { name: 'health', description: 'For those who run the service' },
  ],
}
