import { expect, test } from 'vitest'
import { setupTimes } from '../e2e/bench/network-setup.ts'

// Recorded from containerd 2.1.9 under a kubelet 1.36.3, ids cut short.
const log = String.raw`
time="2026-12-01T16:22:00.100000000Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:92781a36-ba1d-457f-b918-9109e4a26584,Namespace:demo,Attempt:0,}"
time="2026-12-01T16:22:00.408616788Z" level=debug msg="generated id for sandbox name \"web-0_demo_92781a36-ba1d-457f-b918-9109e4a26584_0\"" podsandboxid=636723142afff325
time="2026-12-01T16:22:02.361574639Z" level=debug msg="begin cni setup" podsandboxid=636723142afff325
time="2026-12-01T16:22:02.400000000Z" level=debug msg="begin cni setup" podsandboxid=aa12bb34
time="2026-12-01T16:22:02.625205566Z" level=debug msg="cni result: {\"Interfaces\":{\"eth0\":{\"IPConfigs\":[{\"IP\":\"10.244.1.52\",\"Gateway\":\"169.254.1.1\"}]}}}" podsandboxid=636723142afff325
time="2026-12-01T16:22:02.703015265Z" level=debug msg="use OCI runtime {Type:io.containerd.runc.v2 Path: PodAnnotations:[]}" podsandboxid=636723142afff325
time="2026-12-01T16:22:06.276352629Z" level=info msg="connecting to shim 636723142afff325" address="unix:///run/containerd/s/a772f76bd8178de9a5df" namespace=k8s.io
time="2026-12-01T16:22:16.881064169Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:92781a36-ba1d-457f-b918-9109e4a26584,Namespace:demo,Attempt:0,} returns sandbox id \"636723142afff325\""
time="2026-12-01T16:22:17.000000000Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:on-host,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,} returns sandbox id \"ffff0000\""
time="2026-12-01T16:22:17.100000000Z" level=error msg="RunPodSandbox for &PodSandboxMetadata{Name:failed,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,} failed, error" error="rpc error"
`

test('setupTimes() tells the time of the plugins for each pod that has a sandbox', () => {
  expect([...setupTimes(log)]).toEqual([['web-0', 264]])
})

test('setupTimes() of a log in which nothing of it stands is empty', () => {
  expect(setupTimes('').size).toBe(0)
})
