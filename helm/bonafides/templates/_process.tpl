{{/*
The objects of one process: ServiceAccount, ConfigMap, Deployment, Services, disruption budget, autoscaler, policy.

Takes root, component, service (image and prefix), role (of the database), values, args, kafka, nodes (whether it speaks
to a chain), httpPort (0: none), single (one pod, never two), credentials, settings, fixed, files (name → content).
*/}}
{{- define "bonafides.process" -}}
{{- $root := .root -}}
{{- $name := include "bonafides.componentName" . -}}
{{- $credentials := include "bonafides.credentials" (dict "root" $root "values" .values "kafka" .kafka "more" .credentials) | fromYamlArray -}}
{{- $environment := include "bonafides.environment" (dict "root" $root "service" .service "role" .role "values" .values "kafka" .kafka "credentials" $credentials "settings" .settings "fixed" .fixed) | fromYaml -}}
{{- $autoscaling := and .values.autoscaling .values.autoscaling.enabled -}}
{{- $mayBeMany := and (not .single) (or $autoscaling (gt (int .values.replicas) 1)) -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
automountServiceAccountToken: false
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
data:
  {{- range $key, $value := $environment }}
  {{ $key }}: {{ $value | quote }}
  {{- end }}
{{- if .files }}
---
apiVersion: v1
kind: ConfigMap
metadata:
  name: {{ $name }}-files
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
data:
  {{- range $file, $content := .files }}
  {{ $file }}: |
    {{- $content | nindent 4 }}
  {{- end }}
{{- end }}
---
apiVersion: apps/v1
kind: Deployment
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
spec:
  {{- if .single }}
  replicas: 1
  {{- else if not $autoscaling }}
  replicas: {{ .values.replicas }}
  {{- end }}
  revisionHistoryLimit: 5
  {{- if .single }}
  # The old pod ends before the new one starts: two writers under one key would fight.
  strategy: {type: Recreate}
  {{- else }}
  strategy:
    type: RollingUpdate
    rollingUpdate: {maxUnavailable: 0, maxSurge: 1}
  {{- end }}
  selector:
    matchLabels:
      {{- include "bonafides.selectorLabels" . | nindent 6 }}
  template:
    metadata:
      labels:
        {{- include "bonafides.labels" . | nindent 8 }}
      annotations:
        # A changed setting starts new pods; a changed Secret doesn't: restart them after a rotation.
        checksum/settings: {{ dict "environment" $environment "files" (default dict .files) | toYaml | sha256sum }}
        {{- with .values.podAnnotations }}
        {{- toYaml . | nindent 8 }}
        {{- end }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      # Service links are variables that Kubernetes adds; one under our prefix would be refused as unknown.
      enableServiceLinks: false
      terminationGracePeriodSeconds: {{ .values.terminationGracePeriodSeconds }}
      {{- with include "bonafides.pullSecrets" $root }}
      {{- nindent 6 . }}
      {{- end }}
      securityContext:
        {{- include "bonafides.podSecurity" $root | nindent 8 }}
      {{- with .values.priorityClassName }}
      priorityClassName: {{ . | quote }}
      {{- end }}
      {{- with .values.nodeSelector }}
      nodeSelector:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.tolerations }}
      tolerations:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- with .values.affinity }}
      affinity:
        {{- toYaml . | nindent 8 }}
      {{- end }}
      {{- if not .single }}
      topologySpreadConstraints:
        {{- range $key := list "topology.kubernetes.io/zone" "kubernetes.io/hostname" }}
        - maxSkew: 1
          topologyKey: {{ $key }}
          whenUnsatisfiable: ScheduleAnyway
          labelSelector:
            matchLabels:
              {{- include "bonafides.selectorLabels" $ | nindent 14 }}
        {{- end }}
      {{- end }}
      containers:
        - name: {{ .service }}
          image: {{ include "bonafides.image" . | quote }}
          imagePullPolicy: {{ (index $root.Values.images .service).pullPolicy }}
          {{- with .args }}
          args: {{ toJson . }}
          {{- end }}
          envFrom:
            - configMapRef: {name: {{ $name }}}
          ports:
            - {name: metrics, containerPort: 9100}
            {{- if .httpPort }}
            - {name: http, containerPort: {{ .httpPort }}}
            {{- end }}
          # Five minutes to start: the first tries at a broker, database or node that is still coming up are among them.
          startupProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 5
            failureThreshold: 60
          # Ready: what it needs answers. Alive: its loop turns, whatever others do.
          readinessProbe:
            httpGet: {path: /readyz, port: metrics}
            periodSeconds: 10
            timeoutSeconds: 5
            failureThreshold: 3
          livenessProbe:
            httpGet: {path: /healthz, port: metrics}
            periodSeconds: 20
            timeoutSeconds: 5
            failureThreshold: 3
          {{- if .httpPort }}
          lifecycle:
            preStop: {sleep: {seconds: 5}}
          {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "bonafides.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            - {name: secrets, mountPath: /etc/bonafides/secrets, readOnly: true}
            {{- if .files }}
            - {name: files, mountPath: /etc/bonafides/files, readOnly: true}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
      volumes:
        - {{ include "bonafides.secretVolume" $credentials | nindent 10 | trim }}
        {{- if .files }}
        - name: files
          configMap: {name: {{ $name }}-files, defaultMode: 0444}
        {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 256Mi}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}-metrics
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
spec:
  # Headless: every pod is scraped, not one that a balancer picks.
  clusterIP: None
  selector:
    {{- include "bonafides.selectorLabels" . | nindent 4 }}
  ports:
    - {name: metrics, port: 9100, targetPort: metrics}
{{- if .httpPort }}
---
apiVersion: v1
kind: Service
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
  {{- with .values.service.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  type: ClusterIP
  selector:
    {{- include "bonafides.selectorLabels" . | nindent 4 }}
  ports:
    - {name: http, port: {{ .values.service.port }}, targetPort: http}
{{- with .values.ingress }}
{{- if .enabled }}
---
{{ include "bonafides.ingress" (merge (dict "ingress" . "name" $name) $) }}
{{- end }}
{{- end }}
{{- end }}
{{- if $mayBeMany }}
---
apiVersion: policy/v1
kind: PodDisruptionBudget
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
spec:
  maxUnavailable: 1
  selector:
    matchLabels:
      {{- include "bonafides.selectorLabels" . | nindent 6 }}
{{- end }}
{{- if $autoscaling }}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
spec:
  scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: {{ $name }}}
  minReplicas: {{ .values.autoscaling.minReplicas }}
  maxReplicas: {{ .values.autoscaling.maxReplicas }}
  metrics:
    - type: Resource
      resource:
        name: cpu
        target: {type: Utilization, averageUtilization: {{ .values.autoscaling.targetCPUUtilizationPercentage }}}
{{- end }}
{{- if $root.Values.networkPolicy.enabled }}
---
{{ include "bonafides.networkPolicy" (dict "root" $root "component" .component "name" $name "httpPort" .httpPort "kafka" .kafka "postgres" true "nodes" .nodes) }}
{{- end }}
{{- end -}}
