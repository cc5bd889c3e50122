{{/*
The one policy that selects a component's pods. Takes root, component, name, httpPort, postgres, kafka, nodes (booleans)
and annotations (of a hook).
*/}}
{{- define "bonafides.networkPolicy" -}}
{{- $policy := .root.Values.networkPolicy -}}
apiVersion: networking.k8s.io/v1
kind: NetworkPolicy
metadata:
  name: {{ .name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
  {{- with .annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  podSelector:
    matchLabels:
      {{- include "bonafides.selectorLabels" . | nindent 6 }}
  policyTypes: [Ingress, Egress]
  {{- $ingress := list -}}
  {{- if and $policy.monitoring (not .annotations) -}}
  {{- $ingress = append $ingress (dict "from" $policy.monitoring "ports" (list (dict "protocol" "TCP" "port" 9100))) -}}
  {{- end -}}
  {{- if and $policy.apiClients .httpPort -}}
  {{- $ingress = append $ingress (dict "from" $policy.apiClients "ports" (list (dict "protocol" "TCP" "port" .httpPort))) -}}
  {{- end }}
  ingress:
    {{- toYaml $ingress | nindent 4 }}
  egress:
    - ports:
        - {protocol: UDP, port: 53}
        - {protocol: TCP, port: 53}
    {{- if .postgres }}
    - ports:
        - {protocol: TCP, port: {{ .root.Values.postgres.port }}}
      {{- with $policy.postgres }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if .kafka }}
    - ports:
        {{- range $policy.kafkaPorts }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
      {{- with $policy.kafka }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
    {{- if .nodes }}
    - ports:
        {{- range $policy.nodePorts }}
        - {protocol: TCP, port: {{ . }}}
        {{- end }}
      {{- with $policy.nodes }}
      to:
        {{- toYaml . | nindent 8 }}
      {{- end }}
    {{- end }}
{{- end -}}

{{/* Public address of an API; /healthz, /readyz and /metrics are on another port and never exposed. */}}
{{- define "bonafides.ingress" -}}
apiVersion: networking.k8s.io/v1
kind: Ingress
metadata:
  name: {{ .name }}
  labels:
    {{- include "bonafides.labels" . | nindent 4 }}
  {{- with .ingress.annotations }}
  annotations:
    {{- toYaml . | nindent 4 }}
  {{- end }}
spec:
  {{- with .ingress.className }}
  ingressClassName: {{ . | quote }}
  {{- end }}
  rules:
    - host: {{ .ingress.host | quote }}
      http:
        paths:
          - path: /
            pathType: Prefix
            backend:
              service:
                name: {{ .name }}
                port: {name: http}
  {{- with .ingress.tlsSecret }}
  tls:
    - hosts: [{{ $.ingress.host | quote }}]
      secretName: {{ . | quote }}
  {{- end }}
{{- end -}}
