/** Six pods of Redis over three zones, each with a volume of its own, and two Services. */
export const sixPods = `apiVersion: v1
kind: Service
metadata: { name: r }
spec: { clusterIP: None, selector: { a: r }, ports: [{ name: redis, port: 6379 }] }
---
apiVersion: v1
kind: Service
metadata: { name: front }
spec: { selector: { a: r }, ports: [{ name: redis, port: 6379 }] }
---
apiVersion: apps/v1
kind: StatefulSet
metadata: { name: r }
spec:
  serviceName: r
  replicas: 6
  podManagementPolicy: Parallel
  selector: { matchLabels: { a: r } }
  persistentVolumeClaimRetentionPolicy: { whenDeleted: Delete, whenScaled: Delete }
  template:
    metadata: { labels: { a: r } }
    spec:
      topologySpreadConstraints: [{ maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule, labelSelector: { matchLabels: { a: r } } }]
      securityContext: { runAsUser: 999, runAsGroup: 999, fsGroup: 999, runAsNonRoot: true }
      terminationGracePeriodSeconds: 2
      containers:
        - name: redis
          image: docker.io/library/redis:7.0
          imagePullPolicy: IfNotPresent
          args: [--protected-mode, "no", --dir, /data]
          readinessProbe: { exec: { command: [redis-cli, ping] }, periodSeconds: 1 }
          volumeMounts: [{ name: data, mountPath: /data }]
          securityContext: { readOnlyRootFilesystem: true, allowPrivilegeEscalation: false, capabilities: { drop: [ALL] } }
  volumeClaimTemplates: [{ metadata: { name: data }, spec: { accessModes: [ReadWriteOnce], resources: { requests: { storage: 1Gi } } } }]
`
