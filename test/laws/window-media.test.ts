import type { Json, JsonObject, Window, WindowFormat } from '@weft/core'
import { describe, expect, test } from 'vitest'
import { talk } from '../support/window-talk.ts'
import { expectAiSdk, expectAnthropic, expectOpenAi } from '../support/window-values.ts'

const PNG = 'iVBORw0KGgo='
const text = (words: string) => ({ type: 'text', text: words })

const openAiFile = {
  type: 'file',
  file: { filename: 'a.pdf', file_data: 'data:application/pdf;base64,JVBERi0=' },
}
const audio = { type: 'input_audio', input_audio: { data: 'UklGRg==', format: 'wav' } }
const refusal = { type: 'refusal', refusal: 'I will not' }

const image = { type: 'image', source: { type: 'base64', media_type: 'image/png', data: PNG } }
const imageFile = { type: 'image', source: { type: 'file', file_id: 'file_1' } }
const document = { type: 'document', source: { type: 'url', url: 'https://x.example/a.pdf' } }
const found = { type: 'search_result', source: 's', title: 't', content: [text('found')] }
const upload = { type: 'container_upload', file_id: 'file_2' }
const asked = { type: 'server_tool_use', id: 'srvtoolu_1', name: 'web_search', input: { query: 'q' } }
const answered = { type: 'web_search_tool_result', tool_use_id: 'srvtoolu_1', content: [] }
const thought = { type: 'thinking', thinking: 'hm', signature: 's' }

const aiFile = { type: 'file', data: 'JVBERi0=', mediaType: 'application/pdf' }
const reasoning = { type: 'reasoning', text: 'hm' }

const RUNS: Readonly<Record<'openai' | 'anthropic' | 'ai-sdk', JsonObject[]>> = {
  openai: [
    { role: 'user', content: [text('read this'), openAiFile, audio] },
    { role: 'assistant', content: [text('no'), refusal] },
  ],
  anthropic: [
    { role: 'user', content: [text('read this'), image, imageFile, document, found, upload] },
    { role: 'assistant', content: [thought, asked, answered, text('found')] },
    { role: 'user', content: [text('look')] },
    { role: 'assistant', content: [{ type: 'tool_use', id: 'toolu_1', name: 'shot', input: {} }] },
    {
      role: 'user',
      content: [
        { type: 'tool_result', tool_use_id: 'toolu_1', content: [text('ok'), image, document, found] },
      ],
    },
  ],
  'ai-sdk': [
    { role: 'user', content: [text('read this'), aiFile] },
    { role: 'assistant', content: [reasoning, aiFile] },
    { role: 'assistant', content: [{ type: 'tool-call', toolCallId: 't', toolName: 'shot', input: {} }] },
    {
      role: 'tool',
      content: [
        {
          type: 'tool-result',
          toolCallId: 't',
          toolName: 'shot',
          output: {
            type: 'content',
            value: [text('ok'), { type: 'media', mediaType: 'image/png', data: PNG }],
          },
        },
      ],
    },
  ],
}

const CHECKS: Readonly<Record<string, (messages: readonly unknown[]) => void>> = {
  openai: expectOpenAi,
  'ai-sdk': expectAiSdk,
  anthropic: expectAnthropic,
  parts: () => {},
}
const FORMS = ['openai', 'ai-sdk', 'anthropic', 'parts'] as const

function windowOf(messages: readonly Json[], as: WindowFormat) {
  const { write, make } = talk()
  for (const message of messages) write('message', message)
  return make({ as }) as Window & { readonly messages?: readonly JsonObject[] }
}

describe('[WIN-2] what one API alone knows', () => {
  test.each(['openai', 'ai-sdk', 'anthropic'] as const)('comes back to it as it was: %s', as => {
    const { messages, leftOut } = windowOf(RUNS[as], as)
    expect(messages).toEqual(RUNS[as])
    expect(leftOut).toEqual([])
  })

  test.each(
    FORMS,
  )('[WIN-1] is told to no other, nor by a role from which it is not taken, and is counted: %s', as => {
    const all = Object.values(RUNS).flat()
    const other: Record<string, string> = { user: 'assistant', assistant: 'user', tool: 'system' }
    const swapped = all.map(message => ({ ...message, role: other[String(message.role)]! }))
    for (const messages of [all, swapped, all.map(message => ({ ...message, role: 'system' }))]) {
      const window = windowOf(messages, as)
      CHECKS[as]!(window.messages ?? [])
      expect(Math.abs(window.tokens - window.text.length)).toBeLessThanOrEqual(2)
    }
  })

  test('is known by what it holds, and not by its type alone', () => {
    const strange = [{ type: 'file', name: 'a' }, { type: 'document' }, { type: 'server_tool_use' }]
    for (const as of FORMS) {
      if (as === 'parts') continue
      expect(windowOf([{ role: 'user', content: strange }], as).messages).toEqual([
        { role: 'user', content: strange.map(block => text(JSON.stringify(block))) },
      ])
    }
  })

  test('and was asked of tools at its side is told as text where question or answer is missing', () => {
    for (const half of [asked, answered])
      expect(
        windowOf([{ role: 'assistant', content: [half, text('so')] }], 'anthropic').messages![1],
      ).toEqual({
        role: 'assistant',
        content: [text(JSON.stringify(half)), text('so')],
      })
  })
})

describe('[WIN-2] images', () => {
  const png = `data:image/png;base64,${PNG}`

  test.each(
    FORMS.slice(0, 3),
  )("are told as text where they are not the user's, without their bytes: %s", as => {
    for (const role of ['assistant', 'system']) {
      const content = [png, 'https://x.example/y.png'].map(url => ({ type: 'image_url', image_url: { url } }))
      const window = windowOf([{ role, content }], as)
      expect(window.text).toContain('[image: image/png]')
      expect(window.text).toContain('[image: https://x.example/y.png]')
      expect(window.text).not.toContain(PNG)
      CHECKS[as]!(window.messages!)
    }
  })

  test('in a result that is stale stay, behind the mark; in one that failed there is but text', () => {
    const [call, result] = RUNS.anthropic.slice(-2) as [JsonObject, JsonObject]
    const { write, writer, make } = talk()
    write('message', call)
    write('message', result, 'ext:doc/1')
    writer.write({ writes: ['ext:doc/1@v2'] })
    expect(make({ as: 'anthropic', staleness: 'flag' }).messages.at(-1)).toMatchObject({
      content: [{ type: 'tool_result', content: [text('[stale]'), text('ok'), image, document, found] }],
    })
    const [block] = result.content as unknown as [JsonObject]
    const failed = { role: 'user', content: [{ ...block, is_error: true }] }
    expect(windowOf([call, failed], 'anthropic').messages!.at(-1)).toMatchObject({
      content: [{ is_error: true, content: JSON.stringify(block.content) }],
    })
  })
})
