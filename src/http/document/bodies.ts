/** How uploads, downloads and streams look in the OpenAPI document. */

export const BINARY = { type: 'string', contentMediaType: 'application/octet-stream' }

/** A request body that is multipart with these parts, or the raw file. */
export function upload(properties: Record<string, unknown>): Record<string, unknown> {
  return {
    requestBody: {
      required: true,
      content: {
        'multipart/form-data': { schema: { type: 'object', required: ['file'], properties } },
        'application/octet-stream': { schema: BINARY },
      },
    },
  }
}

/** A request body that is raw bytes. */
export const RAW = {
  requestBody: { required: true, content: { 'application/octet-stream': { schema: BINARY } } },
}

const text = (description: string) => ({ description, schema: { type: 'string' } })
const NOT_CHANGED = { description: 'The ETag is still the same', headers: { ETag: text('as before') } }
const CONTENT_HEADERS = {
  ETag: text('strong: the digest'),
  'Repr-Digest': text('sha-256 of the whole content, base64'),
  'Accept-Ranges': text('bytes'),
}

export const DOWNLOAD = {
  responses: {
    200: {
      description: 'The bytes',
      headers: CONTENT_HEADERS,
      content: { 'application/octet-stream': { schema: BINARY } },
    },
    206: {
      description: 'The range of bytes',
      headers: { ...CONTENT_HEADERS, 'Content-Range': text('which bytes') },
      content: { 'application/octet-stream': { schema: BINARY } },
    },
    304: NOT_CHANGED,
  },
}

const REPORT_FILES = {
  'application/json': { schema: { description: 'a report, a plan or scores' }, example: { fewbit: '0.1.0' } },
  'text/html': { schema: { type: 'string', description: 'the page of a report, which browsers show' } },
}

/** Of an artifact: what is not a model has a type of its own. */
export const ARTIFACT = {
  responses: {
    ...DOWNLOAD.responses,
    200: { ...DOWNLOAD.responses[200], content: { ...DOWNLOAD.responses[200].content, ...REPORT_FILES } },
    206: { ...DOWNLOAD.responses[206], content: { ...DOWNLOAD.responses[206].content, ...REPORT_FILES } },
  },
}

export const REPORT = {
  responses: {
    200: {
      description: 'The report; a page when `text/html` is accepted and the job made one',
      headers: CONTENT_HEADERS,
      content: {
        'application/json': { schema: { $ref: '#/components/schemas/Report' } },
        'text/html': { schema: { type: 'string' } },
      },
    },
    304: NOT_CHANGED,
  },
}

export const PAGE = {
  responses: { 200: { content: { 'text/html': { schema: { type: 'string' } } } } },
}

export const CONDITIONAL = {
  responses: { 200: { headers: { ETag: text('the state of the resource') } }, 304: NOT_CHANGED },
}

export const EVENT_STREAM = {
  responses: {
    200: { content: { 'text/event-stream': { schema: { type: 'string', description: 'one frame for each event' } } } },
    204: { description: 'The job has finished and the stream has nothing left: do not connect again' },
  },
}

export const ACCEPTED = {
  responses: {
    202: {
      headers: {
        Location: text('path of the job'),
        'Retry-After': { description: 'seconds until the first poll', schema: { type: 'integer' } },
      },
    },
  },
}
