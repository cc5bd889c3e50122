{{/*
A Job before install and upgrade. It may refer to what is a hook too or exists already, and to nothing else: the rest of
the release is not there yet. Takes root, component, weight, args, environment, credentials, values, postgres, kafka.
*/}}
{{- define "bonafides.hookJob" -}}
{{- $root := .root -}}
{{- $name := include "bonafides.componentName" . -}}
{{- $early := dict "helm.sh/hook" "pre-install,pre-upgrade" "helm.sh/hook-weight" "-20" "helm.sh/hook-delete-policy" "before-hook-creation" -}}
apiVersion: v1
kind: ServiceAccount
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
  annotations:
    {{- toYaml $early | nindent 4 }}
automountServiceAccountToken: false
---
{{- if $root.Values.networkPolicy.enabled }}
{{ include "bonafides.networkPolicy" (dict "root" $root "component" .component "name" $name "httpPort" 0 "kafka" .kafka "postgres" .postgres "nodes" false "annotations" $early) }}
---
{{- end }}
apiVersion: batch/v1
kind: Job
metadata:
  name: {{ $name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
  annotations:
    helm.sh/hook: pre-install,pre-upgrade
    helm.sh/hook-weight: {{ .weight | quote }}
    # The last run stays until the next, for its log.
    helm.sh/hook-delete-policy: before-hook-creation
spec:
  backoffLimit: {{ .values.backoffLimit }}
  activeDeadlineSeconds: {{ .values.activeDeadlineSeconds }}
  template:
    metadata:
      labels:
        {{- include "bonafides.labels" . | nindent 8 }}
    spec:
      serviceAccountName: {{ $name }}
      automountServiceAccountToken: false
      enableServiceLinks: false
      restartPolicy: Never
      {{- with include "bonafides.pullSecrets" $root }}
      {{- nindent 6 . }}
      {{- end }}
      securityContext:
        {{- include "bonafides.podSecurity" $root | nindent 8 }}
      containers:
        - name: {{ .component }}
          image: {{ include "bonafides.image" (dict "root" $root "service" "ingest") | quote }}
          imagePullPolicy: {{ $root.Values.images.ingest.pullPolicy }}
          command: ["bonafides", "operate"]
          args: {{ toJson .args }}
          env:
            {{- range $key, $value := .environment }}
            - {name: {{ $key }}, value: {{ $value | quote }}}
            {{- end }}
          resources:
            {{- toYaml .values.resources | nindent 12 }}
          securityContext:
            {{- include "bonafides.containerSecurity" $root | nindent 12 }}
          volumeMounts:
            {{- if .credentials }}
            - {name: secrets, mountPath: /etc/bonafides/secrets, readOnly: true}
            {{- end }}
            - {name: tmp, mountPath: /tmp}
      volumes:
        {{- if .credentials }}
        - {{ include "bonafides.secretVolume" .credentials | nindent 10 | trim }}
        {{- end }}
        - name: tmp
          emptyDir: {sizeLimit: 64Mi}
{{- end -}}
