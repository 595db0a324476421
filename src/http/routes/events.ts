/** /v1/jobs/{id}/events: a job's history, as a list or as a live stream. */
import { eventsOf } from '../../jobs/events/read-events.ts'
import { JobEvent } from '../../jobs/record/job.ts'
import { EVENT_STREAM } from '../document/bodies.ts'
import { endpoint } from '../endpoint.ts'
import { DESCRIPTION, EventHeaders, EventQueryString, sendEvents } from '../event-list.ts'
import { answer, idOf, listOf } from '../shapes.ts'

export const EventList = listOf(JobEvent)

export const list = endpoint(
  {
    operationId: 'listJobEvents',
    tags: ['jobs'],
    summary: 'List or stream the events of a job',
    description: DESCRIPTION,
    params: idOf('job', 'job'),
    querystring: EventQueryString,
    headers: EventHeaders,
    response: { 200: answer('A page of events, or the stream', EventList) },
    'x-errors': ['not_found', 'not_acceptable'],
    'x-document': EVENT_STREAM,
  },
  (call) => sendEvents(call, eventsOf(call.deps, call.owner, call.params.id)),
)
