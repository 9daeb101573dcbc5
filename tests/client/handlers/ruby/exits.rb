# frozen_string_literal: true

warn 'exits at load'
exit 3

def same(event:, context:) = event
