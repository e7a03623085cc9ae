import { expect, test } from 'vitest'
import { readJunit } from './junit.ts'

test('readJunit() keeps tests in focus, with the first line of a failure', () => {
  const xml = `<testsuites><testsuite>
    <testcase name="[It] [sig-network] DNS should provide DNS for the cluster [Conformance]" classname="x" status="passed" time="12.5"></testcase>
    <testcase name="[It] [sig-network] Services &#34;affinity&#34; &lt;x&gt;" status="failed" time="3"><failure message="Timed out &amp; lost&#xA;second line" type="failed">...</failure></testcase>
    <testcase name="[It] [sig-node] other" status="skipped" time="0"><skipped message="skipped"></skipped></testcase>
    <testcase name="[SynchronizedBeforeSuite]" status="passed" time="1"/>
  </testsuite></testsuites>`
  expect(readJunit(xml)).toEqual([
    { name: '[sig-network] DNS should provide DNS for the cluster [Conformance]', status: 'passed', seconds: 12.5, reason: '' },
    { name: '[sig-network] Services "affinity" <x>', status: 'failed', seconds: 3, reason: 'Timed out & lost' },
  ])
})
