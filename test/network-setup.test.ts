import { expect, test } from 'vitest'
import { setupTimes } from '../e2e/bench/network-setup.ts'

// Recorded from containerd 2.1.9 under a kubelet 1.36.3, ids cut short.
const log = String.raw`
time="2026-12-01T02:19:21.662509860Z" level=info msg="Start cni network conf syncer for default"
time="2026-12-01T02:20:15.650499403Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:weft-preflight-node1,Uid:be4092a7-9f82-4c1f-a114-a638b769937b,Namespace:kube-system,Attempt:0,}"
time="2026-12-01T02:20:15.660000000Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,}"
time="2026-12-01T02:20:15.702467829Z" level=info msg="connecting to shim c1fcd3ddd1595c62" address="unix:///run/containerd/s/527bebb46e8812dedc" namespace=k8s.io protocol=ttrpc version=3
time="2026-12-01T02:20:15.866667692Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:weft-preflight-node1,Uid:be4092a7-9f82-4c1f-a114-a638b769937b,Namespace:kube-system,Attempt:0,} returns sandbox id \"c1fcd3ddd1595c62\""
time="2026-12-01T02:20:15.882089214Z" level=info msg="CreateContainer within sandbox \"c1fcd3ddd1595c62\" for container &ContainerMetadata{Name:program,Attempt:0,}"
time="2026-12-01T02:20:15.900000000Z" level=error msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,} failed, error" error="rpc error"
time="2026-12-01T02:20:27.100000000Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,}"
time="2026-12-01T02:20:27.350000000Z" level=info msg="connecting to shim aa12bb34" address="unix:///run/containerd/s/00" namespace=k8s.io protocol=ttrpc version=3
time="2026-12-01T02:20:27.360000000Z" level=info msg="connecting to shim ffff0000" address="unix:///run/containerd/s/01" namespace=k8s.io protocol=ttrpc version=3
time="2026-12-01T02:20:27.600000000Z" level=info msg="RunPodSandbox for &PodSandboxMetadata{Name:web-0,Uid:4ef5e83c-8b4b-43f8-a265-ff2591a7e04d,Namespace:demo,Attempt:0,} returns sandbox id \"aa12bb34\""
`

test('setupTimes() tells the time before the sandbox of each pod, of the call that succeeded', () => {
  expect([...setupTimes(log)]).toEqual([['weft-preflight-node1', 52], ['web-0', 250]])
})

test('setupTimes() of a log in which nothing of it stands is empty', () => {
  expect(setupTimes('').size).toBe(0)
})
